{{ staged(source('leadfeeder_legacy', 'leads')) }}
