{{ staged(source('ops', 'runs')) }}
