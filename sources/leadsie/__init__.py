"""Leadsie: who granted access to which assets, and what became of it."""

from .source import STREAMS, Settings, leadsie, open_run, settings

__all__ = ["STREAMS", "Settings", "leadsie", "open_run", "settings"]
