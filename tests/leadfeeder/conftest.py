"""The sync that a test runs, and what it compares the warehouse with."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest

from pipelines.sync import StreamResult, Summary, sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from sources.streams import Asked
from tests.conftest import FakeClock
from tests.reading import dump, in_order

from .oracle import Oracle

VENDOR = "leadfeeder"
START = date(2026, 3, 12)
TODAY = date(2026, 3, 18)

Serve = Callable[..., Sandbox]
Run = Callable[..., Summary]


@pytest.fixture
def run(warehouse: Warehouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Run:
    """One `leadhouse sync leadfeeder`, as a new process would do it, with what it is expected to end with."""
    monkeypatch.setenv("SOURCES__LEADFEEDER__START_DATE", START.isoformat())

    def once(expect: int = 0, **asked: Any) -> Summary:
        summary = sync(Warehouse(warehouse.name, clock=clock), vendors=[VENDOR], asked=Asked(**asked), clock=clock)
        assert summary.exit_code == expect, summary.as_dict()
        return summary

    return once


def bodies(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What was asked of visits."""
    return [json.loads(seen.body) for seen in sandbox.requests.find("/web-visits")]


def results(summary: Summary) -> dict[tuple[str, str | None], StreamResult]:
    (vendor,) = summary.vendors
    return {(stream.stream, stream.account_id): stream for stream in vendor.streams}


def setting(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"SOURCES__LEADFEEDER__{name.upper()}", str(value))


def assert_equal(
    warehouse: Warehouse, sandbox: Sandbox, first: date = START, last: date = TODAY, *, but: Mapping[str, object] = {}
) -> None:
    """The warehouse holds what the vendor holds, table by table; a place stays when nobody refers to it any more."""
    expected = Oracle(sandbox).tables(first, last)
    found = dump(warehouse, VENDOR)
    known = {row["id"] for row in expected["locations"]}
    found["locations"] = [row for row in found["locations"] if row["id"] in known]
    for table, rows in expected.items():
        if table not in but:
            assert in_order(map(_told, found[table])) == in_order(map(_told, rows)), table


def _told(row: Mapping[str, object]) -> dict[str, object]:
    """A column that only some rows have is null in the others."""
    return {name: value for name, value in row.items() if value is not None}
