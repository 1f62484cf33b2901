{{ staged(source('leadfeeder_legacy', 'lead_days')) }}
