"""Leedo: leads, accounts, contacts and campaigns of a CRM, and every status that a lead was seen in."""

from .first_load import first_load
from .source import STREAMS, Settings, leedo, open_run, settings

__all__ = ["STREAMS", "Settings", "first_load", "leedo", "open_run", "settings"]
