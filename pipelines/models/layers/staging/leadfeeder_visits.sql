{{ staged(source('leadfeeder', 'visits')) }}
