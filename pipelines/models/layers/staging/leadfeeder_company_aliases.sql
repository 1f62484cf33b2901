{{ staged(source('leadfeeder', 'company_aliases')) }}
