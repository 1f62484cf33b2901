{{ staged(source('leadfeeder_legacy', 'feed_leads')) }}
