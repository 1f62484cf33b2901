"""Everything that knows a warehouse or a schedule. What knows a vendor is in `sources`."""
