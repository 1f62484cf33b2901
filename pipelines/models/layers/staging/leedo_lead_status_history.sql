{{ staged(source('leedo', 'lead_status_history')) }}
