{{ staged(source('ops', 'loaded_days')) }}
