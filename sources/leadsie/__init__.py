"""Leadsie: who granted access to which assets, and what became of it."""

from .first_load import first_load
from .source import STREAMS, Settings, leadsie, open_run, settings

__all__ = ["STREAMS", "Settings", "first_load", "leadsie", "open_run", "settings"]
