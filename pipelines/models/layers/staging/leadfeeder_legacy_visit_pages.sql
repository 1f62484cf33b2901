{{ staged(source('leadfeeder_legacy', 'visit_pages')) }}
