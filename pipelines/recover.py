"""Letting go of load packages that cannot be loaded.

The position is the warehouse's, and it moves only with a package that was loaded whole: letting go of a package rewinds
the position with it, and the next sync reads its days again.
"""

from .sync import pick
from .warehouse import Warehouse


def recover(warehouse: Warehouse, vendors: list[str]) -> dict[str, int]:
    """Clear what is pending for the vendors (all, if none is named); returns the packages cleared for each."""
    cleared = {}
    for vendor in pick(vendors):
        with warehouse.vendor_lock(vendor.name):
            pipeline = warehouse.pipeline(vendor.name)
            pending = [*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages()]
            pipeline.drop()
            pipeline.deactivate()
            cleared[vendor.name] = len(pending)
    return cleared
