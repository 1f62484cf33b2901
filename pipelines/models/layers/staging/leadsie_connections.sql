{{ staged(source('leadsie', 'connections')) }}
