{{ staged(source('leedo', 'contacts')) }}
