{{ staged(source('leadfeeder', 'visitor_companies')) }}
