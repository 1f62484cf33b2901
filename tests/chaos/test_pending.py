"""A package of which some has been loaded, and was not noted, is loaded again without a trace."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
from dlt.common.destination.exceptions import DestinationTerminalException
from dlt.destinations.insert_job_client import InsertValuesLoadJob

from pipelines.sync import sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from tests.conftest import FakeClock
from tests.reading import dump

VENDOR = "leadsie"


def test_state_written_and_not_noted(
    destination: str, serve: Callable[..., Sandbox], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(World(days=2, accounts=1, visits_per_day=2, clock=clock.epoch))
    load = InsertValuesLoadJob.run
    left = [True]

    def stumble(job: InsertValuesLoadJob) -> None:
        load(job)
        if left and job.job_file_info().table_name == "_dlt_pipeline_state":
            left.clear()
            raise DestinationTerminalException("the power is gone")

    monkeypatch.setattr(InsertValuesLoadJob, "run", stumble)
    first = sync(Warehouse(destination, clock=clock), vendors=[VENDOR], clock=clock)
    assert (first.exit_code, left) == (1, [])
    again = sync(Warehouse(destination, clock=clock), vendors=[VENDOR], clock=clock)
    assert again.exit_code == 0, again.as_dict()
    warehouse = Warehouse(destination, clock=clock)
    found = dump(warehouse, VENDOR)
    for name in ("connections", "connection_assets"):
        assert len({tuple(map(str, row.values())) for row in found[name]}) == len(found[name]) > 0
    written = warehouse.query(f"SELECT count(*), count(DISTINCT version) FROM {VENDOR}._dlt_pipeline_state")
    assert written[0][0] == written[0][1]


@pytest.mark.parametrize("destination", ["duckdb"])
def test_killed_while_dlt_made_its_folders(destination: str, serve: Callable[..., Sandbox], clock: FakeClock) -> None:
    serve(World(days=2, accounts=1, visits_per_day=2, clock=clock.epoch))
    warehouse = Warehouse(destination, clock=clock)
    for folder in (None, "normalize/extracted", "load/new", "load/normalized", "load/loaded"):
        if folder:
            shutil.rmtree(warehouse.working_dir / VENDOR / folder)
        summary = sync(Warehouse(destination, clock=clock), vendors=[VENDOR], clock=clock)
        assert summary.exit_code == 0, (folder, summary.as_dict())


def test_two_runs_make_the_same_schema_at_once(postgres: str, clock: FakeClock) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with closing(psycopg2.connect(postgres)) as other, closing(psycopg2.connect(postgres)) as watcher:
        watcher.autocommit = True
        look = watcher.cursor()
        other.cursor().execute("CREATE SCHEMA ops")
        with ThreadPoolExecutor(1) as pool:
            prepared = pool.submit(Warehouse("postgres", clock=clock).prepare)
            look.execute(waiting)
            while look.fetchone() == (0,):
                assert not prepared.done(), prepared.result()
                look.execute(waiting)
            other.commit()
            prepared.result()
