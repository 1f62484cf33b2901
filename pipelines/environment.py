"""What dlt is told before it is imported."""

import os


def set_up() -> None:
    """Set dlt's own settings, unless somebody has."""
    # dlt would report each run to its makers, and warn about hints that are meant as they are
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")
    # the staging dataset holds a copy of the last load otherwise
    os.environ.setdefault("LOAD__TRUNCATE_STAGING_DATASET", "true")
