{{ staged(source('leadfeeder', 'visit_pages')) }}
