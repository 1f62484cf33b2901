"""The vendor of a test, and the sync that reads it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.sync import Summary, sync
from pipelines.warehouse import Warehouse
from sources.streams import Asked
from tests.conftest import FakeClock

from .documented import KEY, Documented

Run = Callable[..., Summary]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Documented]:
    with Documented() as serving:
        monkeypatch.setenv("SOURCES__LEADSIE__API_KEY", KEY)
        monkeypatch.setenv("SOURCES__LEADSIE__BASE_URL", serving.url)
        yield serving


@pytest.fixture
def run(warehouse: Warehouse, clock: FakeClock) -> Run:
    """One `leadhouse sync leadsie`, with what it is expected to end with."""

    def once(expect: int = 0, **asked: Any) -> Summary:
        summary = sync(warehouse, vendors=["leadsie"], asked=Asked(**asked), clock=clock)
        assert summary.exit_code == expect, summary.as_dict()
        return summary

    return once
