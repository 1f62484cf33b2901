{{ staged(source('leadsie', 'connection_assets')) }}
