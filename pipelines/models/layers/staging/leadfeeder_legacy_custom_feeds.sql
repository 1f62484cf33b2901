{{ staged(source('leadfeeder_legacy', 'custom_feeds')) }}
