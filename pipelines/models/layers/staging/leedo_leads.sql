{{ staged(source('leedo', 'leads')) }}
