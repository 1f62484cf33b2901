"""DuckDB is held to little memory, and a load that needs more is given more."""

import logging
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from dlt.destinations.exceptions import DatabaseTransientException

from pipelines import warehouse as room
from pipelines.sync import sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.streams import Asked
from sources.windows import Days
from tests.conftest import FakeClock


def test_a_load_that_needs_more_memory_gets_it(
    serve: Callable[..., Sandbox], clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    monkeypatch.setattr(room, "MEMORY", 1)
    caplog.set_level(logging.INFO)
    day = date(2026, 3, 16)
    sandbox = serve(World(days=6, accounts=1, visits_per_day=400, clock=clock.epoch), limits=False)

    house = Warehouse("duckdb", clock=clock)
    summary = sync(
        house,
        vendors=["leadfeeder_legacy"],
        asked=Asked(days=Days(day, day), streams=frozenset({"visits"})),
        clock=clock,
    )

    assert summary.exit_code == 0, summary.as_dict()
    assert "it is given 2" in caplog.text
    visits = sandbox.world.window("6001", day, day, "account").visits
    assert house.query("SELECT count(*) FROM leadfeeder_legacy.visits") == [(len(visits),)]


def test_another_failure_is_no_reason_for_more_memory(clock: FakeClock) -> None:
    house = Warehouse("duckdb", clock=clock)
    assert not house.allow_more_memory(RuntimeError("Constraint Error"))
    assert house.allow_more_memory(RuntimeError("Out of Memory Error: could not allocate"))
    assert house.allow_more_memory(RuntimeError("TransactionContext Error: Failed to commit: failed to pin block"))


def test_settling_that_needs_more_memory_gets_it(
    serve: Callable[..., Sandbox], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(World(days=2, accounts=1, visits_per_day=2, clock=clock.epoch), limits=False)
    settle = Warehouse.settle
    limits: list[object] = []

    def want_more(house: Warehouse, *arguments: Any) -> None:
        limits.extend(row[0] for row in house.query("SELECT current_setting('memory_limit')"))
        if len(limits) == 1:
            raise DatabaseTransientException(RuntimeError("Out of Memory Error: failed to pin block"))
        settle(house, *arguments)

    monkeypatch.setattr(Warehouse, "settle", want_more)
    summary = sync(Warehouse("duckdb", clock=clock), vendors=["leadsie"], clock=clock)
    assert summary.exit_code == 0, summary.as_dict()
    assert len(set(limits)) == 2
