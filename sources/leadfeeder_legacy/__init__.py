"""Leadfeeder, the token API: accounts, feeds, leads and visits. The vendor issues no new tokens for it."""

from .first_load import first_load
from .source import STREAMS, Settings, leadfeeder_legacy, open_run, settings

__all__ = ["STREAMS", "Settings", "first_load", "leadfeeder_legacy", "open_run", "settings"]
