"""Every vendor in every destination: houses of their own, loaded once for all tests that only look."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.sync import Summary, sync
from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock
from sources.streams import Asked
from tests.conftest import NOW, FakeClock, database
from tests.reading import Rows, dump

DESTINATIONS = ("duckdb", "postgres")
TODAY = NOW.date()
START = TODAY - timedelta(days=5)


@dataclass
class House:
    """A vendor's warehouse with the settings that belong to it, apart from all others."""

    vendor: str
    destination: str
    clock: Clock
    settings: dict[str, str]
    folder: Path

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This house's folder and settings, for as long as it lasts."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in self.settings.items():
                patch.setenv(name, value)
            yield

    @property
    def warehouse(self) -> Warehouse:
        with self.inside():
            return Warehouse(self.destination, clock=self.clock)

    def sync(self, expect: int = 0, **asked: Any) -> Summary:
        """One `leadhouse sync` of the vendor, as a new process would do it."""
        with self.inside():
            warehouse = Warehouse(self.destination, clock=self.clock)
            summary = sync(warehouse, vendors=[self.vendor], asked=Asked(**asked), clock=self.clock)
        assert summary.exit_code == expect, summary.as_dict()
        return summary

    def tables(self) -> dict[str, Rows]:
        with self.inside():
            return dump(Warehouse(self.destination, clock=self.clock), self.vendor)

    def query(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        with self.warehouse.open() as client, client.execute_query(sql, *arguments) as cursor:
            return list(cursor.fetchall())


@dataclass
class Loaded:
    """A house after its first sync, for which the vendor was asked `requests` times; `tables` is what it held then."""

    house: House
    sandbox: Sandbox
    summary: Summary
    requests: int
    tables: dict[str, Rows]


Build = Callable[..., House]
Open = Callable[..., tuple[House, Sandbox]]


@pytest.fixture(scope="session")
def build(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds empty houses; more settings are those of the vendor."""

    def make(vendor: str, destination: str, clock: Clock, sandbox: Sandbox, **settings: str) -> House:
        folder = tmp_path_factory.mktemp("house")
        found = {"DLT_DATA_DIR": str(folder / "dlt"), "HOME": str(folder), **sandbox.settings()}
        found |= {f"SOURCES__{vendor.upper()}__{name}": value for name, value in settings.items()}
        if destination == "postgres":
            found["DESTINATION__POSTGRES__CREDENTIALS"] = database(postgres_server)
        return House(vendor, destination, clock, found, folder)

    return make


@pytest.fixture(params=sorted(VENDORS), scope="module")
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=DESTINATIONS, scope="module")
def place(request: pytest.FixtureRequest) -> str:
    """Each destination in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def open_house(build: Build, vendor: str, place: str) -> Iterator[Open]:
    """Opens empty houses of one vendor and destination beside a sandbox, with one clock for both."""
    with ExitStack() as stack:

        def make(world: World | None = None) -> tuple[House, Sandbox]:
            clock = FakeClock()
            world = world or World(days=6, accounts=2, visits_per_day=8, clock=clock.epoch)
            sandbox = stack.enter_context(Sandbox(world, clock=clock.epoch, limits=False))
            settings = {"START_DATE": START.isoformat(), "EXPORT_REQUESTS_PER_MINUTE": "1000"}
            # one feed shows what all do
            settings |= {"EXPORT_FEEDS": '["all_leads"]'} if vendor == "leadfeeder_legacy" else {}
            return build(vendor, place, clock, sandbox, **settings), sandbox

        yield make


@pytest.fixture(scope="module")
def loaded(open_house: Open) -> Loaded:
    house, sandbox = open_house()
    summary = house.sync()
    return Loaded(house, sandbox, summary, len(list(sandbox.requests)), house.tables())
