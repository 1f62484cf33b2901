"""A warehouse of each kind with all four vendors and the models in it: as first loaded, and after the story went on.

Telling it takes a while: once for all tests in here.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.sync import sync
from pipelines.transform import Transformed, transform
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sandbox.people import FREE_MAIL
from sources.streams import Asked
from sources.windows import Days
from tests.conftest import FakeClock, database
from tests.docs.pages import unlimited
from tests.reading import Rows, in_order

from .oracle import Story

# early in a month, of which not all is told then: some of it, and all of the month before
NOW = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)
HOSTILE = ("<script>alert('&amp;')</script>", "{{ ref('leads') }} <b>%s</b> '; drop table leads; --")
ACCOUNT = "6001"
CAME = "moved.example"
# rows lie in the order in which they were written
ORDER = {"duckdb": "rowid", "postgres": "xmin::text::bigint, ctid"}


@dataclass
class House:
    """One warehouse with a sandbox to load it from, as new processes would."""

    destination: str
    folder: Path
    clock: FakeClock
    sandbox: Sandbox
    more: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def at_home(self) -> Iterator[Warehouse]:
        """The settings that lead to it, and the warehouse as a new process has it."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("SOURCES__", "DESTINATION__"))]:
                patch.delenv(name)
            patch.setenv("DLT_DATA_DIR", str(self.folder / "dlt"))
            for name, value in self.settings().items():
                patch.setenv(name, value)
            yield Warehouse(self.destination, clock=self.clock)

    def settings(self) -> dict[str, str]:
        # a day more than the story has: in UTC, it begins on the day before
        start = (self.sandbox.world.first_day - timedelta(days=1)).isoformat()
        own = {f"SOURCES__{name}__START_DATE": start for name in ("LEADFEEDER", "LEADFEEDER_LEGACY")}
        own["SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS"] = "all_leads"
        own["DESTINATION__DUCKDB__CREDENTIALS"] = str(self.folder / "house.duckdb")
        return {**self.sandbox.settings(), **unlimited(), **own, **self.more}

    def sync(self, *vendors: str, days: Days | None = None) -> None:
        with self.at_home() as warehouse:
            summary = sync(warehouse, vendors=vendors, asked=Asked(days=days), clock=self.clock)
        assert summary.exit_code == 0, summary.as_dict()

    def transform(self, **options: Any) -> Transformed:
        with self.at_home() as warehouse:
            return transform(warehouse, **options)

    def query(self, sql: str) -> Rows:
        with self.at_home() as warehouse:
            return warehouse.records(sql)

    def marts(self) -> dict[str, Rows]:
        """Every mart, its rows in the order of their values."""
        with self.at_home() as warehouse, warehouse.open():
            names = warehouse.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'")
            return {name: in_order(warehouse.records(f"SELECT * FROM marts.{name}")) for (name,) in names}

    def written(self) -> list[str]:
        """The ids of visits in the order in which they were written."""
        return [
            row["visit_id"]
            for row in self.query(f"SELECT visit_id FROM marts.visits ORDER BY {ORDER[self.destination]}")
        ]


@dataclass
class Told:
    """What a warehouse said at each stage, and what the story was then."""

    house: House
    story: Story
    marts: dict[str, Rows]
    later_story: Story
    later: dict[str, Rows]
    again: dict[str, Rows]
    before: list[str]
    after: list[str]
    results: list[Transformed]
    rebuilt_days: set[date]
    touched: set[date]
    changed: dict[str, str]


@contextmanager
def open_house(destination: str, folder: Path, server: str | None = None) -> Iterator[House]:
    """An empty warehouse; `server` is PostgreSQL's."""
    clock = FakeClock(NOW)
    more = {}
    if server is not None:
        more = {"DESTINATION__POSTGRES__CREDENTIALS": database(server)}
    # a story that begins before the last month did
    world = World(days=35, accounts=2, visits_per_day=8, clock=clock.epoch)
    # a feed, and those that come most, are called what means something to a page, to dbt and to a database
    came = Counter(visit.lead.company.number for visit in world.history(ACCOUNT).visits)
    for (number, _), name in zip(came.most_common(), HOSTILE, strict=False):
        world.rename_company(number, name)
    world.add_feed(ACCOUNT, HOSTILE[1], HOSTILE[0], page_url="/")
    with Sandbox(world, clock=clock.epoch, limits=False) as sandbox:
        sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
        yield House(destination, folder, clock, sandbox, more)


@pytest.fixture(scope="package")
def told_in_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with open_house("duckdb", tmp_path_factory.mktemp("duckdb")) as house:
        yield _tell(house)


@pytest.fixture(scope="package")
def told_in_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Told]:
    with open_house("postgres", tmp_path_factory.mktemp("postgres"), postgres_server) as house:
        yield _tell(house)


@pytest.fixture(params=["duckdb", "postgres"])
def told(request: pytest.FixtureRequest) -> Told:
    """Each warehouse in turn."""
    found: Told = request.getfixturevalue(f"told_in_{request.param}")
    return found


def _tell(house: House) -> Told:
    world, grants = house.sandbox.world, house.sandbox.leadsie.grants
    # somebody whose mailbox could be anybody's, of a company that visits
    visitor = next(visit.lead.company for visit in world.history(ACCOUNT).visits)
    house.sandbox.leedo.crm.add_crm_rows("leads", email=f"kim@{FREE_MAIL}", company=visitor.name.upper())
    house.sync()
    ours = logging.getLogger("pipelines.transform")
    # dbt writes down its every step
    ours.setLevel(logging.DEBUG)
    results = [house.transform()]
    ours.setLevel(logging.NOTSET)
    story, marts, before = Story(house.sandbox), house.marts(), house.written()

    # the story goes on: visits come late, grow and vanish, also on days that only a backfill reads again
    today = world.today
    emptied, old = today - timedelta(days=1), today - timedelta(days=8)
    world.add_visits(ACCOUNT, today - timedelta(days=2), 3)
    world.grow_visit(ACCOUNT, world.visits(ACCOUNT, today - timedelta(days=2))[-1].id)
    world.empty_day("6002", emptied)
    world.remove_visits(ACCOUNT, old, 2)
    states = [(each.request_url, asset.id) for each in grants.connections() for asset in each.assets]
    good = next(url_id for url_id in states if story.assets.get(url_id))
    bad = next(url_id for url_id in states if story.assets.get(url_id) is False)
    gone = next(url for url, _ in states if url not in (good[0], bad[0]))
    house.clock.move(timedelta(days=1))
    grants.break_asset(good[1])
    grants.fix_asset(bad[1])
    grants.remove_connection(gone)
    house.sync()
    house.sync("leadfeeder_legacy", days=Days(old, old))
    # and a company is found to have another web site
    left = story.visits[-1][1].lead.company.domain
    with house.at_home() as warehouse, warehouse.open() as client:
        client.execute_sql(
            "UPDATE leadfeeder_legacy.leads SET website_url = %s WHERE website_url = %s",
            f"https://{CAME}/welcome",
            f"https://www.{left}",
        )
    results.append(house.transform())
    later_story, later, after = Story(house.sandbox, {left: CAME}), house.marts(), house.written()
    # nothing has happened since: one is asked for what is new, the other for everything
    results.append(house.transform(full_refresh=house.destination == "postgres"))
    if house.destination == "duckdb":
        assert house.written() == after
    moved = {date.fromisoformat(visit.day) for _, visit in later_story.visits if visit.lead.company.domain == left}
    return Told(
        house=house,
        story=story,
        marts=marts,
        later_story=later_story,
        later=later,
        again=house.marts(),
        before=before,
        after=after,
        results=results,
        rebuilt_days={today - timedelta(days=2), old},
        touched={today, today - timedelta(days=2), emptied, old, today + timedelta(days=1), *moved},
        changed={"broken": good[1], "granted": bad[1], "gone": gone},
    )
