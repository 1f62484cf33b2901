"""Syncs of Leedo alone, each as a new process would do it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipelines.sync import Summary, sync
from pipelines.warehouse import Warehouse
from sources.streams import Asked
from tests.conftest import FakeClock

Run = Callable[..., Summary]


@pytest.fixture
def run(warehouse: Warehouse, clock: FakeClock) -> Run:
    def start(expect: int = 0, *, max_wait: timedelta = timedelta(minutes=5), **asked: Any) -> Summary:
        again = Warehouse(warehouse.name, clock=clock)
        summary = sync(again, vendors=["leedo"], asked=Asked(**asked), clock=clock, max_wait=max_wait)
        assert summary.exit_code == expect, summary.as_dict()
        return summary

    return start


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Sets one of `sources.leedo`."""
    return lambda name, value: monkeypatch.setenv(f"SOURCES__LEEDO__{name.upper()}", str(value))
