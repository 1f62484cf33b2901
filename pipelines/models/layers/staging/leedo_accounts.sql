{{ staged(source('leedo', 'accounts')) }}
