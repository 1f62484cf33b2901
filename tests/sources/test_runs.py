"""Lanes through a real dlt pipeline into DuckDB: what is read, what is kept, what moves, and what goes on."""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest

from sources import runs
from sources.budget import Budget, Limit
from sources.columns import Column
from sources.errors import AccessError, CeilingError, NotEntitledError, RequestError, TransientError
from sources.lanes import Lane
from sources.meter import Meter
from sources.positions import Positions
from sources.runs import AHEAD, Run
from sources.session import Session
from sources.streams import Account, Asked, Batch, Slice, Stream
from sources.tables import Table, within
from sources.windows import Days
from tests.conftest import FakeClock

TODAY = date(2026, 3, 18)
START = date(2026, 3, 11)
A, B = Account("a"), Account("b")
Rows = list[dict[str, Any]]

ACCOUNT_ID = Column("account_id", "id")
VISITS = Table(
    "visits",
    columns=(
        ACCOUNT_ID,
        Column("id", "id", "id"),
        Column("date", "date", "date"),
        Column("length", "bigint", "length"),
    ),
    key=("account_id", "id"),
    scope=("account_id", "date"),
    open="",
    elsewhere=frozenset({"pages", "tags"}),
)
PAGES = Table(
    "pages",
    columns=(
        ACCOUNT_ID,
        Column("visit_id", "id", "id", parent=True),
        Column("position", "bigint"),
        Column("date", "date", "date", parent=True),
        Column("path", "text", ""),
    ),
    key=("account_id", "visit_id", "position"),
    scope=("account_id", "date"),
    each="pages",
)
LEADS = Table(
    "leads", columns=(ACCOUNT_ID, Column("id", "id", "id"), Column("name", "text", "name")), key=("account_id", "id")
)
TAGS = Table(
    "tags",
    columns=(
        ACCOUNT_ID,
        Column("lead_id", "id", "id", parent=True),
        Column("position", "bigint"),
        Column("tag", at=""),
    ),
    key=("account_id", "lead_id", "position"),
    scope=("account_id", "lead_id"),
    owner="leads",
    each="tags",
)
FEEDS = Table("feeds", (ACCOUNT_ID, Column("id", "id", "id")), key=("account_id", "id"), scope=("account_id",))
PLANS = Table("plans", (Column("id", "id", "id"),), key=("id",))

BY_DAYS = Stream("visits", (VISITS,), by="days")
WITH_PAGES = Stream("visits", (VISITS, PAGES), by="days")
BY_DAY = Stream("visits", (VISITS,), by="day")
LEADS_BY_DAY = Stream("leads", (LEADS, TAGS), by="day")
BY_ACCOUNT = Stream("feeds", (FEEDS,), by="account")
BY_VENDOR = Stream("plans", (PLANS,), by="vendor")


def march(first: int, last: int | None = None) -> Days:
    return Days(date(2026, 3, first), date(2026, 3, last or first))


ALL_DAYS = march(1, 18)


class Vendor:
    """Rows of each table by account, and what happens before a read is answered."""

    def __init__(self, *accounts: Account, days: Days = ALL_DAYS) -> None:
        self.accounts = accounts or (A, B)
        self.rows: dict[str, Rows] = {
            account.id: [
                {"id": f"v{day.day}", "date": day.isoformat(), "length": 1, "pages": ["/", "/b"]} for day in days
            ]
            for account in self.accounts
        }
        self.feeds = {account.id: ["all"] for account in self.accounts}
        self.before: Callable[[Stream, Account | None, Days | None], object] = lambda *_: None
        self.reads: list[tuple[str | None, Days | None]] = []

    def read(self, stream: Stream, of: Slice, meter: Meter) -> Batch:
        account, days = of.account, of.days
        self.reads.append((account.id if account else None, days))
        meter.add(requests=1)
        self.before(stream, account, days)
        if account is None:
            return {"plans": PLANS.rows([{"id": "lite"}])}
        given = {"account_id": account.id}
        if days is None:
            return {"feeds": FEEDS.rows([{"id": feed} for feed in self.feeds[account.id]], **given)}
        rows = [row for row in self.rows[account.id] if date.fromisoformat(row["date"]) in days]
        batch: dict[str, pa.Table] = {table.name: table.rows(rows, **given) for table in stream.tables}
        if "visits" in batch:
            batch["visits"] = within(batch["visits"], "date", days.first, days.last)
        return batch

    def of(self, account: Account) -> list[Days | None]:
        """The days that were read of an account, in the order in which they were begun."""
        return [days for asked, days in self.reads if asked == account.id]

    def change(self, account: Account, day: int, *rows: Mapping[str, Any]) -> None:
        """From now on the day has these rows."""
        text = date(2026, 3, day).isoformat()
        kept = [row for row in self.rows[account.id] if row["date"] != text]
        self.rows[account.id] = [*kept, *({"date": text, **row} for row in rows)]


class House:
    """A warehouse in a file, and the runs that load it."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.file = folder / "house.duckdb"
        self.clock = clock
        self.pipeline = dlt.pipeline(
            "acme", destination=dlt.destinations.duckdb(str(self.file)), dataset_name="acme", pipelines_dir=str(folder)
        )
        self.opened: list[Run] = []

    def open(
        self,
        vendor: Vendor,
        *streams: Stream,
        asked: Asked = Asked(),
        start: date | None = START,
        lookback: int = 1,
        requests_per_second: float = 100,
    ) -> Run:
        session = Session(
            base_url="http://localhost:9",
            auth=None,
            secrets=(),
            budget=Budget(Limit(100, timedelta(minutes=1)), clock=self.clock),
            clock=self.clock,
            read_error=lambda _: None,
        )

        def read(stream: Stream, of: Slice, meter: Meter) -> Batch:
            session.total.add(requests=1)
            return vendor.read(stream, of, meter)

        run = Run(
            vendor="acme",
            streams=streams,
            read=read,
            accounts=lambda _: vendor.accounts,
            session=session,
            clock=self.clock,
            start=start,
            lookback=lookback,
            requests_per_second=requests_per_second,
            asked=asked,
        )
        self.opened.append(run)
        return run

    def extract(self, run: Run) -> Run:
        """One piece, read but not loaded: positions move with it."""
        self.pipeline.extract(run.source(), loader_file_format="parquet")
        return run

    def load(self, vendor: Vendor, *streams: Stream, **options: Any) -> Run:
        """A whole run, piece by piece."""
        run = self.open(vendor, *streams, **options)
        while not run.finished:
            self.extract(run)
            self.pipeline.normalize()
            self.pipeline.load()
        return run

    @property
    def positions(self) -> Positions:
        return Positions(self.pipeline.state["sources"]["acme"])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(f"SET schema = 'acme'; {sql}").fetchall()

    def days(self, account: Account, table: str = "visits") -> list[int]:
        """The days of March that an account has rows of."""
        return [
            day
            for (day,) in self.query(
                f"SELECT DISTINCT day(date) FROM {table} WHERE account_id = '{account.id}' ORDER BY 1"
            )
        ]


@pytest.fixture
def warehouse(tmp_path: Path, clock: FakeClock) -> Iterable[House]:
    opened = House(tmp_path, clock)
    yield opened
    for run in opened.opened:
        run.close()


def lane(run: Run, account: Account | None, stream: str = "visits") -> Lane:
    (found,) = [lane for lane in run.lanes if (lane.account, lane.stream) == (account, stream)]
    return found


def said(one: Lane) -> str:
    """What a lane says of what it did not get."""
    return "; ".join([*one.errors, *one.incomplete.values()])


def all_days(days: Iterable[Days | None]) -> list[int]:
    return sorted(day.day for part in days if part for day in part)


def raising(error: Exception, account: Account, day: int | None = None) -> Callable[..., None]:
    """Raises for an account, or for those of its reads that cover a day of March."""

    def before(_: Stream, asked: Account | None, days: Days | None) -> None:
        if asked == account and (day is None or (days and date(2026, 3, day) in days)):
            # each is an error of its own, which will be told where it happened
            own = type(error).__new__(type(error), *error.args)
            vars(own).update(vars(error))
            raise own

    return before


class TestIsolation:
    def test_an_account_that_fails_stops_no_other(self, warehouse: House) -> None:
        vendor = Vendor()
        vendor.before = raising(TransientError("the vendor is away", remedy="run again later"), A)
        run = warehouse.load(vendor, BY_DAYS, BY_ACCOUNT, BY_VENDOR)
        assert {(one.stream, one.account_id): one.status for one in run.lanes} == {
            ("visits", "a"): "failed",
            ("visits", "b"): "ok",
            ("feeds", "a"): "failed",
            ("feeds", "b"): "ok",
            ("plans", None): "ok",
        }
        assert (
            said(lane(run, A)) == "acme, account a, visits, 2026-03-11…2026-03-18: the vendor is away; run again later"
        )
        assert all(one.finished_at for one in run.lanes)
        assert lane(run, B).rows == 8
        assert lane(run, B).meter.requests == 1
        assert warehouse.days(A) == []
        assert warehouse.days(B) == list(range(11, 19))
        assert warehouse.query("SELECT account_id, id FROM feeds") == [("b", "all")]
        assert list(warehouse.positions.all_loaded()) == [("b", "visits", march(11, 18))]

    def test_a_mistake_of_ours_is_one_lanes_failure(self, warehouse: House) -> None:
        vendor = Vendor()
        vendor.before = raising(KeyError("attributes"), A)
        run = warehouse.extract(warehouse.open(vendor, BY_DAYS))
        assert (lane(run, A).status, lane(run, B).status) == ("failed", "ok")
        assert "unexpected KeyError" in said(lane(run, A))

    def test_what_is_not_bought_is_skipped(self, warehouse: House) -> None:
        vendor = Vendor()
        vendor.before = raising(NotEntitledError("visits are not part of the plan"), A)
        run = warehouse.extract(warehouse.open(vendor, BY_DAYS))
        assert (lane(run, A).status, lane(run, B).status) == ("skipped", "ok")
        assert "not part of the plan" in said(lane(run, A))
        assert warehouse.positions.loaded("a", "visits") is None

    def test_a_refused_key_stops_everything(self, warehouse: House) -> None:
        vendor = Vendor()
        vendor.before = raising(AccessError("/visits answered 401", status=401, remedy="check the key"), A)
        run = warehouse.extract(warehouse.open(vendor, BY_DAY, BY_ACCOUNT, start=date(2026, 1, 1)))
        assert run.finished
        assert len(vendor.reads) <= 2 * AHEAD
        # what had been asked before stays
        stopped = [one for one in run.lanes if (one.stream, one.account_id) != ("feeds", "b")]
        assert len(stopped) == 3
        assert {one.status for one in stopped} == {"failed"}
        for one in stopped:
            assert f"account {one.account_id}, {one.stream}" in said(one)
            assert "answered 401; check the key" in said(one)
        assert list(warehouse.positions.all_loaded()) == []

    def test_a_refused_account_stops_only_itself(self, warehouse: House) -> None:
        vendor = Vendor()
        vendor.before = raising(AccessError("/visits answered 403", status=403), A)
        run = warehouse.extract(warehouse.open(vendor, BY_DAY))
        assert (lane(run, A).status, lane(run, B).status) == ("failed", "ok")
        assert len(vendor.of(A)) <= AHEAD
        # the days after the one that failed are named, too
        assert lane(run, A).notes == [f"{march(12, 18)}: not loaded either"]
        assert lane(run, B).notes == []

    def test_a_ceiling_where_there_is_nothing_to_split(self, warehouse: House) -> None:
        vendor = Vendor(A)
        vendor.before = raising(CeilingError("too many feeds", pages=101), A)
        run = warehouse.extract(warehouse.open(vendor, BY_ACCOUNT))
        assert lane(run, A, "feeds").status == "failed"
        assert said(lane(run, A, "feeds")) == "acme, account a, feeds: too many feeds"

    def test_an_account_that_is_not_there(self, warehouse: House) -> None:
        run = warehouse.open(Vendor(), BY_DAYS, asked=Asked(accounts=frozenset({"y", "z"})))
        with pytest.raises(AccessError, match=r"account y, z is not among those that the key can see \(a, b\)"):
            _ = run.accounts

    def test_one_of_several_accounts_that_is_not_there(self, warehouse: House) -> None:
        vendor = Vendor()
        asked = Asked(accounts=frozenset({"a", "z"}))
        run = warehouse.extract(warehouse.open(vendor, BY_DAYS, BY_ACCOUNT, asked=asked))
        ended = [(one.account_id, one.stream, one.status) for one in run.lanes]
        assert ended == [(None, "visits", "failed"), ("a", "visits", "ok"), ("a", "feeds", "ok")]
        assert "account z is not among those that the key can see (a, b)" in said(run.lanes._lanes[0])
        assert {account for account, _ in vendor.reads} == {"a"}

    def test_only_what_is_asked_for(self, warehouse: House) -> None:
        vendor = Vendor()
        asked = Asked(streams=frozenset({"visits"}), accounts=frozenset({"b"}))
        run = warehouse.extract(warehouse.open(vendor, BY_DAYS, BY_ACCOUNT, BY_VENDOR, asked=asked))
        assert [(one.stream, one.account_id) for one in run.lanes] == [("visits", "b")]
        assert vendor.reads == [("b", march(11, 18))]


class TestCeiling:
    def test_days_that_are_too_many_are_split(self, warehouse: House) -> None:
        vendor = Vendor()

        def before(_: Stream, account: Account | None, days: Days | None) -> None:
            if account == A and days and len(days) > 2:
                raise CeilingError("too many", pages=101)

        vendor.before = before
        run = warehouse.load(vendor, BY_DAYS)
        whole = [days for days in vendor.of(A) if days and len(days) <= 2]
        assert all_days(whole) == list(range(11, 19))
        assert warehouse.days(A) == list(range(11, 19))
        assert (lane(run, A).status, lane(run, A).rows, said(lane(run, A))) == ("ok", 8, "")
        assert warehouse.positions.loaded("a", "visits") == march(11, 18)
        assert warehouse.positions.incomplete("a", "visits") == []
        assert vendor.of(B) == [march(11, 18)]

    def test_many_pages_make_many_parts(self, warehouse: House) -> None:
        vendor = Vendor(A)

        def before(_: Stream, account: Account | None, days: Days | None) -> None:
            if days and len(days) > 1:
                raise CeilingError("too many", pages=640)

        vendor.before = before
        warehouse.extract(warehouse.open(vendor, BY_DAYS))
        assert vendor.of(A) == [march(11, 18), *(march(day) for day in range(11, 19))]

    def test_a_day_that_cannot_be_read_is_known_to_be_incomplete(self, warehouse: House) -> None:
        vendor = Vendor()
        vendor.before = raising(CeilingError("too many visits", pages=101), A, day=13)
        run = warehouse.load(vendor, BY_DAYS)
        assert list(lane(run, A).incomplete) == [date(2026, 3, 13)]
        assert said(lane(run, A)) == "acme, account a, visits, 2026-03-13: too many visits"
        assert lane(run, B).status == "ok"
        assert list(warehouse.positions.all_incomplete()) == [("a", "visits", date(2026, 3, 13), "too many visits")]
        assert warehouse.positions.loaded("a", "visits") == march(11, 18)
        assert warehouse.days(A) == [11, 12, 14, 15, 16, 17, 18]

        # still too many: it is tried, and stays on the list
        vendor.reads.clear()
        run = warehouse.extract(warehouse.open(vendor, BY_DAYS))
        assert vendor.of(A) == [march(17, 18), march(13)]
        assert list(lane(run, A).incomplete) == [date(2026, 3, 13)]
        assert warehouse.positions.incomplete("a", "visits") == [date(2026, 3, 13)]

        # now it can be had
        vendor.before = lambda *_: None
        run = warehouse.load(vendor, BY_DAYS)
        assert (lane(run, A).status, lane(run, A).incomplete) == ("ok", {})
        assert warehouse.positions.incomplete("a", "visits") == []
        assert warehouse.days(A) == list(range(11, 19))
        vendor.reads.clear()
        warehouse.extract(warehouse.open(vendor, BY_DAYS))
        assert vendor.of(A) == [march(17, 18)]


class TestPositions:
    def test_they_move_up_to_the_first_gap(self, warehouse: House) -> None:
        vendor = Vendor()
        vendor.before = raising(RequestError("no", status=400), A, day=14)
        run = warehouse.load(vendor, BY_DAY)
        assert lane(run, A).status == "failed"
        assert warehouse.positions.loaded("a", "visits") == march(11, 13)
        assert warehouse.positions.loaded("b", "visits") == march(11, 18)
        assert warehouse.days(A) == [11, 12, 13]

        vendor.before, vendor.reads = lambda *_: None, []
        warehouse.load(vendor, BY_DAY)
        assert all_days(vendor.of(A)) == list(range(12, 19))
        assert all_days(vendor.of(B)) == [17, 18]
        assert warehouse.positions.loaded("a", "visits") == march(11, 18)
        assert warehouse.days(A) == list(range(11, 19))

    def test_later_days_that_were_read_sooner_wait_for_earlier_ones(self, warehouse: House) -> None:
        vendor, second = Vendor(A), threading.Event()

        def before(_: Stream, account: Account | None, days: Days | None) -> None:
            if days == march(12):
                second.set()
            if days == march(11):
                assert second.wait(5)
                raise TransientError("away")

        vendor.before = before
        run = warehouse.extract(warehouse.open(vendor, BY_DAY))
        assert march(12) in vendor.of(A)
        assert (lane(run, A).status, lane(run, A).rows) == ("failed", 0)
        assert warehouse.positions.loaded("a", "visits") is None

    def test_an_account_that_is_new_begins_at_the_start(self, warehouse: House) -> None:
        vendor = Vendor(A, B)
        vendor.accounts = (A,)
        warehouse.extract(warehouse.open(vendor, BY_DAYS))
        vendor.accounts, vendor.reads = (A, B), []
        warehouse.extract(warehouse.open(vendor, BY_DAYS, lookback=3))
        assert vendor.of(A) == [march(15, 18)]
        assert vendor.of(B) == [march(11, 18)]

    def test_without_a_start_it_is_thirty_days_ago(self, warehouse: House) -> None:
        vendor = Vendor(A)
        warehouse.extract(warehouse.open(vendor, BY_DAYS, start=None))
        assert vendor.of(A) == [Days(TODAY - timedelta(days=30), TODAY)]

    def test_a_backfill_leaves_them_alone(self, warehouse: House) -> None:
        vendor = Vendor(A)
        vendor.before = raising(CeilingError("too many", pages=101), A, day=13)
        warehouse.load(vendor, BY_DAYS)
        vendor.before, vendor.reads = lambda *_: None, []
        run = warehouse.load(vendor, BY_DAYS, asked=Asked(days=march(2, 5)))
        assert vendor.of(A) == [march(2, 5)]
        assert lane(run, A).window == march(2, 5)
        assert warehouse.positions.loaded("a", "visits") == march(11, 18)
        assert warehouse.positions.incomplete("a", "visits") == [date(2026, 3, 13)]
        assert warehouse.days(A) == [2, 3, 4, 5, 11, 12, 14, 15, 16, 17, 18]
        warehouse.extract(warehouse.open(vendor, BY_DAYS, asked=Asked(days=march(12, 14))))
        assert warehouse.positions.incomplete("a", "visits") == []
        assert warehouse.positions.loaded("a", "visits") == march(11, 18)

    def test_they_come_back_from_the_warehouse(self, warehouse: House, tmp_path: Path) -> None:
        vendor = Vendor(A)
        warehouse.load(vendor, BY_DAYS)
        vendor.reads.clear()
        (tmp_path / "new machine").mkdir()
        fresh = House(tmp_path / "new machine", warehouse.clock)
        fresh.pipeline = dlt.pipeline(
            "acme",
            destination=dlt.destinations.duckdb(str(warehouse.file)),
            dataset_name="acme",
            pipelines_dir=str(tmp_path / "new machine"),
        )
        fresh.pipeline.sync_destination()
        run = fresh.extract(fresh.open(vendor, BY_DAYS))
        run.close()
        assert vendor.of(A) == [march(17, 18)]


class TestPieces:
    def test_requests_end_a_piece_and_the_next_goes_on(self, warehouse: House) -> None:
        vendor = Vendor(A)
        # five minutes of it are six requests
        run = warehouse.open(vendor, BY_DAY, start=date(2026, 2, 17), requests_per_second=0.02)
        pieces, ends = 0, []
        while not run.finished:
            before = len(vendor.reads)
            warehouse.extract(run)
            pieces += 1
            assert len(vendor.reads) - before <= 6 + AHEAD
            loaded = warehouse.positions.loaded("a", "visits")
            assert loaded is not None
            assert len(loaded) <= len(vendor.reads)
            ends.append(loaded.last)
        assert pieces > 1
        assert ends == sorted(set(ends))
        assert ends[-1] == TODAY
        assert sorted(map(str, vendor.of(A))) == sorted(map(str, Days(date(2026, 2, 17), TODAY).parts(30)))
        assert lane(run, A).status == "ok"

    def test_time_ends_a_piece(self, warehouse: House) -> None:
        vendor = Vendor(A)
        vendor.before = lambda *_: warehouse.clock.move(timedelta(minutes=6))
        run = warehouse.extract(warehouse.open(vendor, BY_DAY, start=date(2026, 2, 17)))
        assert not run.finished
        assert len(vendor.reads) <= AHEAD
        assert lane(run, A).status == "running"

    def test_rows_end_a_piece(self, warehouse: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runs, "ROWS", 1)
        vendor, answered = Vendor(A), threading.Event()
        first = Days(date(2026, 2, 17), date(2026, 2, 17))
        vendor.before = lambda _, __, days: (
            threading.Timer(0.2, answered.set).start() if days == first else answered.wait(10)
        )
        run = warehouse.extract(warehouse.open(vendor, BY_DAY, start=first.first))
        assert not run.finished
        loaded = warehouse.positions.loaded("a", "visits")
        assert loaded is not None
        # what was being read when the last row came is part of it
        assert len(loaded) == len(vendor.reads) == AHEAD

    def test_a_wait_that_outlasts_a_piece_ends_it(self, warehouse: House) -> None:
        vendor = Vendor(A)
        run = warehouse.open(vendor, BY_DAY, start=date(2026, 2, 17))
        vendor.before = lambda *_: run.session.budget.hold(600)
        for _ in range(2):
            warehouse.extract(run)
            # nothing that has been read is kept waiting, and each piece reads something
            assert not run.finished
        assert 2 <= len(vendor.reads) <= 2 * AHEAD

    def test_what_is_being_read_at_the_end_of_a_piece_is_the_next_ones(self, warehouse: House) -> None:
        vendor, begun, answered = Vendor(A), threading.Event(), threading.Event()

        def before(_: Stream, __: Account | None, days: Days | None) -> None:
            if days == march(17):
                assert begun.wait(10)
                return
            begun.set()
            assert answered.wait(10)

        vendor.before = before
        # five minutes of it are two requests
        run = warehouse.extract(warehouse.open(vendor, BY_DAY, start=date(2026, 3, 17), requests_per_second=0.007))
        assert warehouse.positions.loaded("a", "visits") == march(17)
        assert not run.finished
        answered.set()
        warehouse.extract(run)
        assert run.finished
        assert warehouse.positions.loaded("a", "visits") == march(17, 18)
        assert all_days(vendor.of(A)) == [17, 18]

    @pytest.mark.parametrize("streams", [(BY_VENDOR, BY_DAYS), (BY_DAYS, BY_VENDOR)])
    def test_all_streams_are_begun_before_the_first_answer_is_waited_for(
        self, streams: tuple[Stream, ...], warehouse: House
    ) -> None:
        vendor, together = Vendor(A), threading.Barrier(2)
        vendor.before = lambda *_: together.wait(10)
        run = warehouse.extract(warehouse.open(vendor, *streams))
        assert {one.status for one in run.lanes} == {"ok"}

    def test_a_whole_run_is_one_piece(self, warehouse: House) -> None:
        run = warehouse.open(Vendor(), BY_DAY, requests_per_second=0.001)
        warehouse.pipeline.extract(run.source(whole=True), loader_file_format="parquet")
        assert run.finished

    def test_killed_between_two_pieces_it_goes_on_where_it_was(self, warehouse: House) -> None:
        vendor = Vendor(A)
        killed = warehouse.extract(warehouse.open(vendor, BY_DAY, start=date(2026, 2, 17), requests_per_second=0.02))
        assert not killed.finished
        loaded = warehouse.positions.loaded("a", "visits")
        assert loaded is not None
        vendor.reads.clear()
        warehouse.extract(warehouse.open(vendor, BY_DAY, start=date(2026, 2, 17), lookback=0))
        assert vendor.of(A)[0] == Days(loaded.last, loaded.last)
        assert warehouse.positions.loaded("a", "visits") == Days(date(2026, 2, 17), TODAY)

    def test_nothing_is_read_before_it_is_extracted(self, warehouse: House) -> None:
        vendor = Vendor()
        run = warehouse.open(vendor, BY_DAYS, BY_VENDOR)
        assert set(run.source().resources) == {"visits", "plans"}
        assert vendor.reads == []
        assert not run.finished


# rows that are handed on one by one, or all at the end
BLOCKS = pytest.mark.parametrize("block", [1, 10_000])


class TestRows:
    @BLOCKS
    def test_a_re_read_scope_is_replaced_whole(
        self, block: int, warehouse: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sources.runs.BLOCK", block)
        vendor = Vendor()
        warehouse.load(vendor, WITH_PAGES, BY_ACCOUNT)
        # the 17th is empty now, the 18th has another visit, the 12th is out of reach, and an account has no feeds left
        vendor.change(A, 17)
        vendor.change(A, 18, {"id": "new", "pages": ["/only"], "referrer": "x"})
        vendor.change(A, 12)
        vendor.feeds["a"] = []
        vendor.feeds["b"] = ["all", "mine"]
        run = warehouse.load(vendor, WITH_PAGES, BY_ACCOUNT)
        assert lane(run, A).window == march(17, 18)
        assert warehouse.days(A) == warehouse.days(A, "pages") == [11, 12, 13, 14, 15, 16, 18]
        assert warehouse.days(B) == list(range(11, 19))
        assert warehouse.query(
            "SELECT visit_id, position, path FROM pages WHERE account_id = 'a' AND day(date) = 18"
        ) == [("new", 0, "/only")]
        assert warehouse.query("SELECT id FROM visits WHERE referrer = 'x'") == [("new",)]
        assert sorted(warehouse.query("SELECT account_id, id FROM feeds")) == [("b", "all"), ("b", "mine")]

    def test_reading_again_changes_nothing(self, warehouse: House) -> None:
        vendor = Vendor()
        everything = (
            "SELECT * FROM visits v JOIN pages p ON (p.account_id, p.visit_id) = (v.account_id, v.id) ORDER BY ALL"
        )
        warehouse.load(vendor, WITH_PAGES)
        before = warehouse.query(everything)
        warehouse.load(vendor, WITH_PAGES, lookback=30)
        assert warehouse.query(everything) == before
        assert len(before) == 2 * 8 * 2

    @BLOCKS
    def test_children_go_with_their_parent(self, block: int, warehouse: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sources.runs.BLOCK", block)
        vendor = Vendor(A, days=march(1))
        vendor.change(
            A, 16, {"id": "x", "name": "X", "tags": ["old", "older"]}, {"id": "y", "name": "Y", "tags": ["kept"]}
        )
        warehouse.load(vendor, LEADS_BY_DAY)
        tags = "SELECT lead_id, position, tag FROM tags ORDER BY ALL"
        assert warehouse.query(tags) == [("x", 0, "old"), ("x", 1, "older"), ("y", 0, "kept")]
        # x was seen again with fewer tags, z twice in one run: the last time without any
        vendor.change(A, 17, {"id": "z", "name": "Z", "tags": ["gone"]})
        vendor.change(A, 18, {"id": "x", "name": "X2", "tags": ["new"]}, {"id": "z", "name": "Z2"})
        warehouse.load(vendor, LEADS_BY_DAY)
        assert warehouse.query(tags) == [("x", 0, "new"), ("y", 0, "kept")]
        assert warehouse.query("SELECT id, name FROM leads ORDER BY ALL") == [("x", "X2"), ("y", "Y"), ("z", "Z2")]

    def test_tables_are_there_without_rows(self, warehouse: House) -> None:
        vendor = Vendor(A, days=march(1))
        vendor.feeds["a"] = []
        warehouse.load(vendor, WITH_PAGES, LEADS_BY_DAY, BY_ACCOUNT)
        types = {"id": "VARCHAR", "text": "VARCHAR", "bigint": "BIGINT", "date": "DATE"}
        for table in (VISITS, PAGES, LEADS, TAGS, FEEDS):
            described = {name: kind for name, kind, *_ in warehouse.query(f"DESCRIBE {table.name}")}
            assert {c.name: types[c.type] for c in table.columns}.items() <= described.items()
            assert warehouse.query(f"SELECT count(*) FROM {table.name}") == [(0,)]
