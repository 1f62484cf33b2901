"""Leedo: leads, accounts, contacts and campaigns of a CRM, and every status that a lead was seen in."""

from .source import STREAMS, Settings, leedo, open_run, settings

__all__ = ["STREAMS", "Settings", "leedo", "open_run", "settings"]
