{{ staged(source('leadfeeder_legacy', 'locations')) }}
