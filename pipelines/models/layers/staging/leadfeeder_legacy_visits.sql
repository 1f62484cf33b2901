{{ staged(source('leadfeeder_legacy', 'visits')) }}
