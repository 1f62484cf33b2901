{{ staged(source('ops', 'incomplete_days')) }}
