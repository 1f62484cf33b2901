{{ staged(source('leadfeeder', 'custom_feeds')) }}
