"""The vendor APIs that leadhouse reads, simulated over HTTP from the vendors' documents."""

from .app import Sandbox
from .faults import Fault
from .world import World

__all__ = ["Fault", "Sandbox", "World"]
