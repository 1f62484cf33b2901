"""What leadhouse costs, as ratios: to the plainest thing that does the same, and to dlt's defaults."""
