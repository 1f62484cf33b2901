"""The token API through the whole house: every row of every table is what the vendor holds, whatever happens to it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.status import positions
from pipelines.sync import Summary, _Sync, sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.leadfeeder_legacy import api
from sources.streams import Asked
from sources.windows import Days, beside, cover
from tests.conftest import FakeClock, on_duckdb
from tests.leadfeeder_legacy.oracle import Oracle
from tests.reading import dump, in_order, rows_of

VENDOR = "leadfeeder_legacy"
START = date(2026, 3, 12)
# 15:30 UTC on this day is the same day in Helsinki and New York
TODAY = date(2026, 3, 18)

LAST_SEEN = {
    "leads": ("account_id", "id"),
    "lead_tags": ("account_id", "lead_id"),
    "lead_industries": ("account_id", "lead_id"),
    "locations": ("id",),
}

Serve = Callable[..., Sandbox]
Run = Callable[..., Summary]


@pytest.fixture
def run(warehouse: Warehouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Run:
    """One `leadhouse sync`; with `again` as a new process would do it."""
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", START.isoformat())
    # export requests have tests of their own
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", "[]")

    def start(expect: int = 0, **asked: Any) -> Summary:
        summary = sync(Warehouse(warehouse.name, clock=clock), vendors=[VENDOR], asked=Asked(**asked), clock=clock)
        assert summary.exit_code == expect, summary.as_dict()
        return summary

    return start


def assert_equal(warehouse: Warehouse, sandbox: Sandbox, spans: dict[str, tuple[date, date]] | None = None) -> None:
    """The warehouse holds what the vendor holds; a lead's bounded dates are those of the last day it was seen on."""
    spans = spans or dict.fromkeys(sandbox.world.accounts, (START, TODAY))
    expected = Oracle(sandbox).tables(spans)
    found = dump(warehouse, VENDOR)
    for table, rows in expected.items():
        if table in LAST_SEEN:
            # a company and a place stay as they were last seen, also when no visit refers to them any more
            key = LAST_SEEN[table]
            owner = "locations" if table == "locations" else "leads"
            known = {tuple(row[column] for column in LAST_SEEN[owner]) for row in expected[owner]}
            found[table] = [row for row in found[table] if tuple(row[column] for column in key) in known]
        assert in_order(found[table]) == in_order(rows), table


def test_first_load_equals_the_vendor(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    run()
    assert_equal(warehouse, sandbox)


# whose days they are is told before the database
@pytest.mark.parametrize(
    ("destination", "day_zone"),
    [("duckdb", "account"), ("duckdb", "utc"), ("postgres", "account")],
    indirect=["destination"],
)
def test_time_passes(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, day_zone: str) -> None:
    sandbox = serve()
    sandbox.leadfeeder_legacy.options.day_zone = day_zone  # type: ignore[assignment]
    world = sandbox.world
    run()
    clock.move(timedelta(hours=20))
    tomorrow = TODAY + timedelta(days=1)
    first, second = world.accounts
    yesterday = TODAY - timedelta(days=1)
    world.add_visits(first, yesterday, 5)
    world.remove_visits(first, TODAY, 3)
    world.grow_visit(first, world.visits(first, yesterday)[0].id)
    world.empty_day(second, yesterday)
    tagged = next(r for r in rows_of(warehouse, VENDOR, "lead_tags") if r["account_id"] == first)
    # the lead comes back today and has lost its tags
    world.add_visits(first, tomorrow, 1, lead_id=tagged["lead_id"])
    world.retag(first, tagged["lead_id"], [])
    world.add_feed(second, "4711", "Germany", country_code="DE")
    world.remove_feed(first, "new_leads")
    run()
    span = (START, tomorrow)
    assert_equal(warehouse, sandbox, {first: span, second: span})
    assert not [r for r in rows_of(warehouse, VENDOR, "lead_tags") if r["lead_id"] == tagged["lead_id"]]
    assert not [
        r for r in rows_of(warehouse, VENDOR, "visits") if (r["account_id"], r["visit_date"]) == (second, yesterday)
    ]


def test_a_visit_moves_to_another_day(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    """From a day that is not read again: it is not there twice, nor are its pages."""
    sandbox = serve()
    run()
    clock.move(timedelta(days=3))
    account = next(iter(sandbox.world.accounts))
    visit = next(visit for visit in sandbox.world.visits(account, START + timedelta(days=1)) if len(visit.route) > 1)
    sandbox.world.move_visit(account, visit.id, TODAY + timedelta(days=2))
    # its second page has gone as well
    visit.route = visit.route[:1]
    run()
    places = {
        table: [row["visit_date"] for row in rows_of(warehouse, VENDOR, table) if row[column] == visit.id]
        for table, column in (("visits", "id"), ("visit_pages", "visit_id"))
    }
    assert set(map(tuple, places.values())) == {(TODAY + timedelta(days=2),)}
    others = {each.id for name in sandbox.world.accounts for each in sandbox.world.history(name).visits}
    assert {row["id"] for row in rows_of(warehouse, VENDOR, "visits")} <= others


@pytest.mark.parametrize("day_zone", ["account", "utc"])
@on_duckdb
def test_either_day_zone(warehouse: Warehouse, serve: Serve, run: Run, day_zone: str, clock: FakeClock) -> None:
    sandbox = serve(World(days=6, accounts=3, visits_per_day=20, clock=clock.epoch))
    sandbox.leadfeeder_legacy.options.day_zone = day_zone  # type: ignore[assignment]
    run()
    assert_equal(warehouse, sandbox)
    # a re-read in the middle replaces its days whole
    run(days=Days(date(2026, 3, 14), date(2026, 3, 15)))
    assert_equal(warehouse, sandbox)


@on_duckdb
@pytest.mark.parametrize("day_zone", ["account", "utc"])
def test_busy_account_is_not_asked_for_a_day_too_many(
    warehouse: Warehouse,
    serve: Serve,
    run: Run,
    day_zone: str,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The day beside those that are wanted is asked for only where UTC's midnight bounds them and it has begun."""
    # nobody waits, or visits would come meanwhile
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__REQUESTS_PER_MINUTE", "1000000")
    sandbox = serve(World(days=6, accounts=0, clock=clock.epoch), limits=False)
    sandbox.leadfeeder_legacy.options.day_zone = day_zone  # type: ignore[assignment]
    for zone in ("Asia/Calcutta", "America/New_york"):
        sandbox.world.add_account(zone, zone, visits_per_day=150)
    quiet = sandbox.world.add_account("Quiet", "Asia/Calcutta", visits_per_day=5)
    for _ in range(2):
        sandbox.requests.clear()
        run(streams=frozenset({"visits"}))
    days = Days(TODAY - timedelta(days=3), TODAY)
    for account in sandbox.world.accounts.values():
        expected = [(days, n) for n in pages_of(sandbox, account.id, days)]
        wide = cover(days, account.zone)
        if account.id == quiet:
            # a day too many costs it nothing
            expected = [(wide, 1)]
        elif wide.last == TODAY:
            # one page tells that the account is busy
            expected.append((wide, 1))
            if day_zone == "utc":
                (edge,) = beside(days, wide)
                expected += [(edge, n) for n in pages_of(sandbox, account.id, edge)]
        seen = [each.query for each in sandbox.requests.find(f"*/accounts/{account.id}/visits")]
        assert sorted((q["start_date"], q["end_date"], int(q["page[number]"])) for q in seen) == sorted(
            (asked.first.isoformat(), asked.last.isoformat(), number) for asked, number in expected
        )
    zone = sandbox.leadfeeder_legacy.options.day_zone
    windows = [sandbox.world.window(account, START, TODAY, zone) for account in sandbox.world.accounts]
    held = [row["id"] for row in rows_of(warehouse, VENDOR, "visits")]
    assert sorted(held) == sorted(visit.id for window in windows for visit in window.visits)


def pages_of(sandbox: Sandbox, account: str, days: Days) -> range:
    found = sandbox.world.window(account, days.first, days.last, sandbox.leadfeeder_legacy.options.day_zone)
    return range(1, -(-len(found.visits) // api.PAGE_SIZE) + 1)


@on_duckdb
def test_visits_without_links(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve(World(days=6, accounts=1, visits_per_day=50, clock=clock.epoch))
    sandbox.leadfeeder_legacy.options.visit_links = False
    run()
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_last_page_names_a_null_successor(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    sandbox.leadfeeder_legacy.options.last_next = "null"
    run()
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_later_account_starts_at_the_start(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve()
    run()
    clock.move(timedelta(days=1))
    late = sandbox.world.add_account("Newcomer", timezone="UTC", visits_per_day=8)
    run()
    tomorrow = TODAY + timedelta(days=1)
    assert_equal(warehouse, sandbox, dict.fromkeys(sandbox.world.accounts, (START, tomorrow)))
    assert positions(warehouse, VENDOR).loaded(late, "visits") == Days(START, tomorrow)


def test_backfill_leaves_the_position_alone(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve(World(days=20, accounts=1, visits_per_day=10, clock=clock.epoch))
    run()
    account = next(iter(sandbox.world.accounts))
    before = list(positions(warehouse, VENDOR).all_loaded())
    early = Days(date(2026, 3, 5), date(2026, 3, 6))
    run(days=early)
    assert list(positions(warehouse, VENDOR).all_loaded()) == before
    dates = {row["visit_date"] for row in rows_of(warehouse, VENDOR, "visits")}
    assert dates == set(early) | set(Days(START, TODAY))
    assert {r["date"] for r in rows_of(warehouse, VENDOR, "lead_days") if r["account_id"] == account} == dates


def test_fresh_machine_goes_on(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve()
    run()
    clock.move(timedelta(days=1))
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "another machine"))
    sandbox.requests.clear()
    run()
    asked = {seen.query["start_date"] for seen in sandbox.requests.find("*/leads")}
    assert min(asked) == (TODAY - timedelta(days=3)).isoformat()
    assert_equal(warehouse, sandbox, {a: (START, TODAY + timedelta(days=1)) for a in sandbox.world.accounts})


@on_duckdb
def test_only_streams_and_accounts_asked_for(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    serve()
    run(streams=frozenset({"visit_pages"}), accounts=frozenset({"6002"}))
    for table in ("visits", "visit_pages"):
        assert {row["account_id"] for row in rows_of(warehouse, VENDOR, table)} == {"6002"}
    assert warehouse.query(f"SELECT * FROM {VENDOR}.leads") == []
    assert {stream for _, stream, _ in positions(warehouse, VENDOR).all_loaded()} == {"visits"}


def test_new_fields_become_columns(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    run()
    sandbox.world.add_field("visits", "utmContent", "spring")
    sandbox.world.add_field("leads", "score", 42)
    sandbox.world.add_field("accounts", "region", {"code": "EU"})
    run()
    visits = rows_of(warehouse, VENDOR, "visits")
    assert {row["utm_content"] for row in visits if row["visit_date"] >= TODAY - timedelta(days=3)} == {"spring"}
    assert {row["utm_content"] for row in visits if row["visit_date"] < TODAY - timedelta(days=3)} == {None}
    assert {row["score"] for row in rows_of(warehouse, VENDOR, "leads")} >= {"42"}
    assert {row["region"] for row in rows_of(warehouse, VENDOR, "accounts")} == {'{"code":"EU"}'}
    # a type that changes later is no trouble
    sandbox.world.add_field("leads", "score", "high")
    run()
    assert {row["score"] for row in rows_of(warehouse, VENDOR, "leads")} >= {"high"}


@pytest.fixture
def crowded(serve: Serve, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A site with more leads than the ceiling, which is at 1,000 here; tests of exports fill the real one."""
    assert api.CEILING_PAGES * api.PAGE_SIZE == 10_000
    monkeypatch.setattr(api, "CEILING_PAGES", 10)
    sandbox = serve(World(days=4, accounts=1, visits_per_day=10, clock=clock.epoch), limits=False)
    assert sandbox.leadfeeder_legacy.options.leads_ceiling == 10_000
    sandbox.leadfeeder_legacy.options.leads_ceiling = 1_000
    return sandbox


@on_duckdb
def test_leads_of_a_window_over_the_ceiling(warehouse: Warehouse, crowded: Sandbox, run: Run) -> None:
    for day in (15, 16):
        crowded.world.crowd_day("6001", date(2026, 3, day), 505)
    run()
    assert_equal(warehouse, crowded)


@pytest.mark.parametrize("past", ["empty", 416])
@on_duckdb
def test_day_over_the_ceiling_is_recorded(
    warehouse: Warehouse, crowded: Sandbox, run: Run, clock: FakeClock, past: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_ATTEMPTS", "1")
    crowded.leadfeeder_legacy.options.past_ceiling = past
    # the export request that would take over is of no help
    crowded.leadfeeder_legacy.options.exports.fail_next = 1
    day = date(2026, 3, 14)
    crowded.world.crowd_day("6001", day, 1_050)
    summary = run(expect=1)
    assert crowded.requests.count("*/leads", query={"page[number]": "11"}) == 0
    listed = warehouse.query("SELECT vendor, account_id, stream, date FROM ops.incomplete_days")
    assert listed == [(VENDOR, "6001", "leads", day)]
    errors = [s.error for v in summary.vendors for s in v.streams if s.status == "incomplete"]
    assert len(errors) == 1
    assert "6001" in str(errors[0])
    assert "2026-03-14" in str(errors[0])
    days = {row["date"] for row in rows_of(warehouse, VENDOR, "lead_days")}
    assert day not in days
    assert days >= {date(2026, 3, 16), date(2026, 3, 17)}
    assert len([r for r in rows_of(warehouse, VENDOR, "visits") if r["visit_date"] == day]) == 1_050
    # a later run loads it, long after the look-back has passed it
    clock.move(timedelta(days=10))
    run()
    assert warehouse.query("SELECT * FROM ops.incomplete_days") == []
    assert len([r for r in rows_of(warehouse, VENDOR, "lead_days") if r["date"] == day]) == 1_050


@on_duckdb
def test_rate_limit_is_used_up_and_not_exceeded(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve(World(days=7, accounts=12, visits_per_day=10, clock=clock.epoch))
    began = clock.monotonic()
    run()
    assert sandbox.requests.count(status=429) == 0
    minutes = (clock.monotonic() - began) / 60
    made = sandbox.requests.count()
    assert made > 100
    assert minutes < made // 100 + 1
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_accounts_fail_alone(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve(World(days=3, accounts=4, visits_per_day=10, clock=clock.epoch))
    sandbox.leadfeeder_legacy.options.account_status = {"6001": 402, "6002": 403, "6003": 404}
    summary = run(expect=1)
    ended = {(s.account_id, s.stream): s.status for v in summary.vendors for s in v.streams}
    assert {ended["6001", s] for s in ("leads", "visits")} == {"skipped"}
    assert {ended["6002", s] for s in ("leads", "visits")} == {"failed"}
    assert {ended["6003", s] for s in ("leads", "visits")} == {"failed"}
    assert {ended["6004", s] for s in ("leads", "visits")} == {"ok"}
    recorded = warehouse.query("SELECT account_id, stream, status FROM ops.runs WHERE account_id IS NOT NULL")
    assert {(a, s): status for a, s, status in recorded} == {k: v for k, v in ended.items() if k[0]}
    sandbox.leadfeeder_legacy.options.account_status = {"6001": 402}
    run()
    sandbox.leadfeeder_legacy.options.account_status = {}
    spans = dict.fromkeys(("6002", "6003", "6004"), (START, TODAY))
    expected = Oracle(sandbox).tables(spans)
    for table in ("visits", "lead_days"):
        assert in_order(rows_of(warehouse, VENDOR, table)) == in_order(expected[table])


@on_duckdb
def test_a_failed_window_is_read_by_the_next_run(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    sandbox.faults.add("status", status=500, path="*/leads", account="6001", times=None, nth=3)
    summary = run(expect=1)
    failed = [s for v in summary.vendors for s in v.streams if s.status == "failed"]
    assert [(s.account_id, s.stream) for s in failed] == [("6001", "leads")]
    assert "run again later" in str(failed[0].error)
    loaded = positions(warehouse, VENDOR).loaded("6001", "leads")
    assert loaded is None or loaded.last < TODAY
    sandbox.faults.clear()
    run()
    assert_equal(warehouse, sandbox)


@pytest.mark.parametrize(
    "fault",
    [
        # each by itself: tests/faults
        {"name": "status", "status": 503, "times": 3},
        {"name": "shift_page", "page": 2},
        {"name": "loop_link", "page": 1},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_passing_troubles_leave_no_trace(
    serve: Serve, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", START.isoformat())
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", "[]")
    sandbox = serve(World(days=7, accounts=1, visits_per_day=60, clock=clock.epoch))
    details = dict(fault)
    sandbox.faults.add(details.pop("name"), path="*/visits", **details)
    warehouse = Warehouse("duckdb", clock=clock)
    summary = sync(warehouse, vendors=[VENDOR], clock=clock)
    assert summary.exit_code == 0, summary.as_dict()
    assert not sandbox.faults.pending
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_a_long_range_is_loaded_in_pieces(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__REQUESTS_PER_MINUTE", "10")
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", "2026-01-10")
    sandbox = serve(World(days=70, accounts=2, visits_per_day=5, clock=clock.epoch))
    run()
    packages = warehouse.query(f"SELECT count(*) FROM {VENDOR}._dlt_loads")[0][0]
    # fifty requests are five minutes of this budget
    assert packages >= sandbox.requests.count() // (50 + 16)
    assert packages > 2
    assert_equal(warehouse, sandbox, {a: (date(2026, 1, 10), TODAY) for a in sandbox.world.accounts})


@on_duckdb
def test_unknown_zone_is_utc_with_a_warning(
    warehouse: Warehouse, serve: Serve, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = serve()
    account = sandbox.world.accounts["6001"]
    account.timezone = "Mars/Olympus_Mons"
    sandbox.world.accounts["6001"] = replace(account)
    run()
    assert [r for r in caplog.records if "6001" in r.getMessage() and "Mars/Olympus_Mons" in r.getMessage()]
    assert_equal(warehouse, sandbox)


@pytest.mark.parametrize("where", ["load", "settle"])
def test_what_a_killed_run_has_read_is_settled_by_the_next(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    start = TODAY - timedelta(days=20)
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", start.isoformat())
    sandbox = serve(World(days=30, accounts=1, visits_per_day=20, clock=clock.epoch))
    run()
    assert_equal(warehouse, sandbox, {"6001": (start, TODAY)})

    def killed(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(*{"load": (_Sync, "_load"), "settle": (Warehouse, "settle")}[where], killed)
        run(expect=1, days=Days(start, start + timedelta(days=5)))
    run()
    assert_equal(warehouse, sandbox, {"6001": (start, TODAY)})
    assert warehouse.query("SELECT * FROM ops.unsettled") == []
