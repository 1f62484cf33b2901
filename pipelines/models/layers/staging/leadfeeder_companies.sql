{{ staged(source('leadfeeder', 'companies')) }}
