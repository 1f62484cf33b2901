{{ staged(source('leadfeeder', 'locations')) }}
