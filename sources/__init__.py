"""dlt sources: everything that knows a vendor. Nothing here knows a warehouse or a schedule."""
