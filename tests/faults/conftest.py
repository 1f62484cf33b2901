"""Small houses beside a sandbox in trouble, and what each vendor's tables hold when nothing happens."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.sync import Summary, VendorResult, sync
from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.streams import Asked
from tests.conftest import NOW, FakeClock
from tests.reading import Rows, rows_of

START = NOW.date() - timedelta(days=1)
# what a second is to a test that waits for it in real time
MOMENT = 0.25


@dataclass(frozen=True)
class Case:
    """A vendor as the matrix sees it: what is loaded of it, and the paths of two of its streams.

    `passing` has a trouble that passes, `lasting` one that does not; they differ where the vendor has two streams.
    `moved` is a path of several pages, or none.
    """

    vendor: str
    streams: dict[str, str]
    passing: str
    lasting: str
    moved: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> list[str]:
        streams = {stream.name: stream for stream in VENDORS[self.vendor].package.STREAMS}
        return sorted({table.name for name in self.streams for table in streams[name].tables})

    def tables_of(self, path: str) -> set[str]:
        """The tables that are filled from a path, and from no other."""
        streams = {stream.name: {t.name for t in stream.tables} for stream in VENDORS[self.vendor].package.STREAMS}
        mine = {name for name, found in self.streams.items() if found == path}
        own = set().union(*(streams[name] for name in mine))
        return own.difference(*(streams[name] for name in self.streams if name not in mine))


CASES = {
    case.vendor: case
    for case in (
        Case(
            "leadfeeder_legacy",
            {"custom_feeds": "*/custom-feeds", "visits": "*/visits"},
            passing="*/visits",
            lasting="*/custom-feeds",
            moved="*/visits",
            settings={"EXPORT_FEEDS": "[]"},
        ),
        Case(
            "leadfeeder",
            {"tags": "/tags", "visits": "/web-visits"},
            passing="/web-visits",
            lasting="/tags",
            moved="/web-visits",
        ),
        Case(
            "leadsie",
            {"connections": "/api/checkUserStatus"},
            passing="/api/checkUserStatus",
            lasting="/api/checkUserStatus",
        ),
        Case(
            "leedo",
            {"campaigns": "/campaigns", "leads": "/leads"},
            passing="/campaigns",
            lasting="/leads",
            moved="/leads",
            settings={"PER_PAGE": "3"},
        ),
    )
}


class House:
    """An empty warehouse beside a vendor of its own; the world is always the same."""

    def __init__(self, case: Case, folder: Path, sandbox: Sandbox, clock: FakeClock) -> None:
        self.case, self.folder, self.sandbox, self.clock = case, folder, sandbox, clock
        self.settings = {"DLT_DATA_DIR": str(folder / "dlt"), **sandbox.settings()}
        own = {"START_DATE": START.isoformat(), **case.settings}
        self.set(**own)

    def set(self, **values: str) -> None:
        self.settings |= {f"SOURCES__{self.case.vendor.upper()}__{name}": value for name, value in values.items()}

    @contextmanager
    def inside(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in self.settings.items():
                patch.setenv(name, value)
            # few rows make several pages
            for name in ("leadfeeder", "leadfeeder_legacy"):
                patch.setattr(f"sources.{name}.api.PAGE_SIZE", 3)
            yield

    def sync(self, *, max_wait: timedelta = timedelta(hours=1)) -> Summary:
        with self.inside():
            asked = Asked(streams=frozenset(self.case.streams))
            warehouse = Warehouse("duckdb", clock=self.clock)
            return sync(warehouse, vendors=[self.case.vendor], asked=asked, clock=self.clock, max_wait=max_wait)

    def tables(self) -> dict[str, Rows]:
        """Every table of the case, without the instants at which something was seen."""
        with self.inside():
            warehouse = Warehouse("duckdb", clock=self.clock)
            with warehouse.open():
                found = {name: rows_of(warehouse, self.case.vendor, name) for name in self.case.tables}
        for rows in found.values():
            for row in rows:
                for name in ("valid_from", "valid_to"):
                    row.pop(name, None)
        return found


Build = Callable[[str], House]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    with ExitStack() as stack:
        sandboxes: dict[str, tuple[Sandbox, FakeClock]] = {}

        def make(vendor: str) -> House:
            if vendor not in sandboxes:
                clock = FakeClock()
                world = World(days=2, accounts=1, visits_per_day=5, clock=clock.epoch)
                sandboxes[vendor] = stack.enter_context(Sandbox(world, clock=clock.epoch, limits=False)), clock
            sandbox, clock = sandboxes[vendor]
            sandbox.faults.clear()
            # waiting for a vendor has taken hours: all houses see the same day
            clock._now = NOW
            return House(CASES[vendor], tmp_path_factory.mktemp("house"), sandbox, clock)

        yield make


@pytest.fixture(scope="session")
def undisturbed(build: Build) -> dict[str, dict[str, Rows]]:
    """What each vendor's tables hold when nothing happens."""
    found = {}
    for vendor in CASES:
        house = build(vendor)
        summary = house.sync()
        assert summary.exit_code == 0, summary.as_dict()
        found[vendor] = house.tables()
        assert [table for table, rows in found[vendor].items() if not rows] in ([], ["unfinished_walks"])
    return found


def sentences(summary: Summary) -> list[str]:
    """What a run says that it could not load."""
    result: VendorResult
    [result] = summary.vendors
    return [text for text in (result.error, *(stream.error for stream in result.streams)) if text]
