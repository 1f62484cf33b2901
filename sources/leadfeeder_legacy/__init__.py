"""Leadfeeder, the token API: accounts, feeds, leads and visits. The vendor issues no new tokens for it."""

from .source import STREAMS, Settings, leadfeeder_legacy, open_run, settings

__all__ = ["STREAMS", "Settings", "leadfeeder_legacy", "open_run", "settings"]
