{{ staged(source('leadsie', 'connection_status_history')) }}
