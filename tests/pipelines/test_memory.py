"""DuckDB is held to little memory, and a load that needs more is given more; what is not used goes back."""

import logging
import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dlt.common.destination.client import RunnableLoadJob
from dlt.destinations.exceptions import DatabaseTransientException

import pipelines.sync
from pipelines import instances
from pipelines import warehouse as room
from pipelines.environment import give_back_memory
from pipelines.sync import sync
from pipelines.warehouse import Warehouse, WarehouseError
from sandbox import Sandbox, World
from sources.streams import Asked
from sources.windows import Days
from tests.conftest import FakeClock


def test_a_load_that_needs_more_memory_gets_it(
    serve: Callable[..., Sandbox], clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
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


def test_tables_are_loaded_one_after_another(
    serve: Callable[..., Sandbox], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(World(days=2, accounts=1, visits_per_day=2, clock=clock.epoch), limits=False)
    run = RunnableLoadJob.run_managed
    at_work: list[str] = []
    together: list[int] = []

    def watched(job: RunnableLoadJob, *arguments: Any, **named: Any) -> None:
        at_work.append(job.file_name())
        together.append(len(at_work))
        # whoever may work beside it has the time to begin
        time.sleep(0.005)
        run(job, *arguments, **named)
        at_work.remove(job.file_name())

    monkeypatch.setattr(RunnableLoadJob, "run_managed", watched)
    assert sync(Warehouse("duckdb", clock=clock), vendors=["leadsie"], clock=clock).exit_code == 0
    assert len(together) > 5
    assert set(together) == {1}


@pytest.mark.parametrize(("most", "limit"), [(2048, "122.0 MiB"), (64, "61.0 MiB")])
def test_an_instance_that_ran_out_of_memory_writes_nothing_more(
    most: int, limit: str, house: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed is there all the same, and the next instance has the new limit, if there is more to give."""
    monkeypatch.setattr(room, "MOST_MEMORY", most)
    written: list[object] = []
    detach = instances._Instance.detach

    def noted(each: instances._Instance) -> None:
        written.append(each)
        detach(each)

    monkeypatch.setattr(instances._Instance, "detach", noted)
    warehouse = Warehouse("duckdb", clock=clock, path=house / "leadhouse.duckdb")
    with warehouse.open() as client:
        client.execute_sql("CREATE TABLE t AS SELECT range AS n FROM range(5000)")
        [ran_out] = instances._attached.values()
        given = warehouse.allow_more_memory(RuntimeError("Out of Memory Error: failed to pin block"))
        assert given == (most > 64)
        assert not written
        [other] = instances._attached.values()
        assert other is not ran_out
        ask = "SELECT count(*), current_setting('memory_limit') FROM t"
        assert client.execute_sql(ask) == warehouse.query(ask) == [(5000, limit)]
    assert written == [other]
    assert ran_out not in instances._spare
    assert warehouse.query("SELECT count(*) FROM t") == [(5000,)]


def test_whoever_reads_just_then_is_waited_for(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse("duckdb", clock=clock)
    connected = Warehouse._connected
    readers = [WarehouseError("Could not set lock on file")]

    def held_at_first(house: Warehouse, make: Any) -> Any:
        if readers:
            raise readers.pop()
        return connected(house, make)

    with warehouse.open():
        monkeypatch.setattr(Warehouse, "_connected", held_at_first)
        assert warehouse.allow_more_memory(RuntimeError("Out of Memory Error: failed to pin block"))
        assert len(clock.slept) == 1
        assert warehouse.query("SELECT 1") == [(1,)]


def test_duckdb_gives_back_what_it_does_not_use(clock: FakeClock) -> None:
    assert Warehouse("duckdb", clock=clock).query("SELECT current_setting('allocator_background_threads')") == [(True,)]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others keep nothing")
def test_the_c_library_gives_back_what_it_does_not_use() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    texts = [bytes(1_000) for _ in range(100_000)]
    survivors = texts[::50]
    full = resident()
    texts.clear()
    give_back_memory()
    assert full - resident() > 50_000_000
    assert len(survivors) == 2_000


def test_before_it_is_loaded_a_piece_lets_go_of_what_reading_it_took(
    serve: Callable[..., Sandbox], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(World(days=2, accounts=1, visits_per_day=2, clock=clock.epoch), limits=False)
    house = Warehouse("duckdb", clock=clock)
    loaded: list[object] = []
    monkeypatch.setattr(
        pipelines.sync, "give_back_memory", lambda: loaded.extend(house.query("SELECT 1 FROM leadsie._dlt_loads"))
    )
    assert sync(house, vendors=["leadsie"], clock=clock).exit_code == 0
    assert loaded == []
    assert sync(house, vendors=["leadsie"], clock=clock).exit_code == 0
    assert loaded == [(1,)]
