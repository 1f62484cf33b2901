"""Killed at any moment and run again to its end, a sync leaves what an undisturbed one leaves."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock
from tests.conformance.conftest import Build, House
from tests.pipelines.cli_process import LAST_DAY, Started, settings, simulated, start
from tests.reading import Rows, tables_of

# some requests, not all: up to four commits in a run
PIECE = timedelta(seconds=0.25)
DAYS = 3
START = LAST_DAY - timedelta(days=DAYS - 1)


@dataclass
class Undisturbed:
    """What a sync asks for, and leaves, when nobody disturbs it."""

    sandbox: Sandbox
    requests: int
    tables: dict[str, Rows]


@dataclass(frozen=True)
class Watched:
    """A sync at work, as somebody sees it who waits for the moment to kill it."""

    vendor: str
    warehouse: Warehouse
    undisturbed: Undisturbed
    requests_before: int

    def asked(self, share: float) -> bool:
        """Whether this share of an undisturbed run's requests has been made."""
        made = self.undisturbed.sandbox.requests.count(vendor=self.vendor) - self.requests_before
        return made >= max(share * self.undisturbed.requests, 1)

    def found(self, pattern: str) -> bool:
        """Whether there is such a file among those of the pipeline."""
        return any((self.warehouse.working_dir / self.vendor).glob(pattern))


MOMENTS: dict[str, Callable[[Watched], bool]] = {
    "at the first request": lambda run: run.asked(0),
    "after half of the requests": lambda run: run.asked(0.5),
    "between extract and normalize": lambda run: run.found("normalize/extracted/*/schema.json"),
    "in the load": lambda run: run.found("load/normalized/*/completed_jobs/*"),
    "after the first commit": lambda run: run.found("load/loaded/*"),
}
# which database it is matters from the load on
KILLS = [("duckdb", moment) for moment in MOMENTS]
KILLS += [("postgres", moment) for moment in ("in the load", "after the first commit")]


def at_work(house: House) -> Started:
    with house.inside():
        return start("sync", house.vendor, "--destination", house.destination, piece=PIECE)


@pytest.fixture(scope="module")
def open_beside(build: Build, vendor: str) -> Callable[[Sandbox, str], House]:
    """Opens empty houses beside a sandbox in real time."""

    def make(sandbox: Sandbox, place: str) -> House:
        house = build(vendor, place, Clock(), sandbox)
        house.settings.update(settings(sandbox), **{f"SOURCES__{vendor.upper()}__START_DATE": f"{START}"})
        return house

    return make


@pytest.fixture(scope="module")
def undisturbed(open_beside: Callable[[Sandbox, str], House], vendor: str) -> Iterator[Undisturbed]:
    """In one database: the other holds the same."""
    with simulated(World(today=LAST_DAY, days=DAYS, accounts=2, visits_per_day=4)) as sandbox:
        house = open_beside(sandbox, "duckdb")
        ended = at_work(house).wait()
        assert ended.exit_code == 0, ended
        yield Undisturbed(sandbox, sandbox.requests.count(vendor=vendor), comparable(house))


@pytest.mark.parametrize(("place", "moment"), KILLS)
def test_killed_and_resumed_equals_undisturbed(
    undisturbed: Undisturbed, open_beside: Callable[[Sandbox, str], House], place: str, moment: str
) -> None:
    house = open_beside(undisturbed.sandbox, place)
    made = undisturbed.sandbox.requests.count(vendor=house.vendor)
    run = at_work(house)
    watched = Watched(house.vendor, house.warehouse, undisturbed, made)
    run.when(lambda: MOMENTS[moment](watched))
    run.signal(signal.SIGKILL)
    assert run.wait().exit_code in (-signal.SIGKILL, 0)
    house.sync()
    found = comparable(house)
    for table, rows in undisturbed.tables.items():
        assert found[table] == rows, table


def comparable(house: House) -> dict[str, Rows]:
    """All tables, but for the instants that are ours: when something was seen differs from run to run."""
    tables = house.tables()
    for table in tables_of(house.vendor):
        ours = {column.name for column in table.columns if column.type == "timestamp" and column.at is None}
        for row in tables[table.name]:
            for name in ours:
                row[name] = row[name] is None
    return tables
