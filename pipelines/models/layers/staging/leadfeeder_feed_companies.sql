{{ staged(source('leadfeeder', 'feed_companies')) }}
