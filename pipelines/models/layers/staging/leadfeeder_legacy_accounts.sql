{{ staged(source('leadfeeder_legacy', 'accounts')) }}
