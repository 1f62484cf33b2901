"""Leadfeeder's `/v1` API: accounts, feeds, web visits, visitor companies, tags, lists; companies on request."""

from .first_load import first_load
from .source import STREAMS, Settings, leadfeeder, open_run, settings

__all__ = ["STREAMS", "Settings", "first_load", "leadfeeder", "open_run", "settings"]
