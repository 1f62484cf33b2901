{{ staged(source('leadfeeder', 'accounts')) }}
