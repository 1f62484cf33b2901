"""Export requests: whatever happens between submit and load, each feed and window is asked for once and lands whole."""

import asyncio
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from pipelines.ledger import WarehouseLedger
from pipelines.status import positions
from pipelines.sync import Summary, sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources import urls
from sources.budget import Budget, Limit
from sources.leadfeeder_legacy.exports import Exports, Policy
from sources.leadfeeder_legacy.report import Report
from sources.ledger import MemoryLedger
from sources.session import Session
from sources.streams import Asked
from sources.windows import Days
from tests.conftest import FakeClock, on_duckdb
from tests.reading import in_order, rows_of

VENDOR = "leadfeeder_legacy"
START = date(2026, 2, 20)
TODAY = date(2026, 3, 18)
FEEDS = ("all_leads", "new_leads", "recommended_leads", "followed_companies")

Serve = Callable[..., Sandbox]
Run = Callable[..., Summary]


@pytest.fixture
def run(warehouse: Warehouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", START.isoformat())

    def start(expect: int = 0, wait: bool = True, max_wait: timedelta = timedelta(hours=1), **asked: Any) -> Summary:
        asked.setdefault("streams", frozenset({"feed_leads"}))
        house = Warehouse(warehouse.name, clock=clock)
        summary = sync(house, vendors=[VENDOR], asked=Asked(**asked), clock=clock, wait=wait, max_wait=max_wait)
        assert summary.exit_code == expect, summary.as_dict()
        return summary

    return start


@pytest.fixture
def sandbox(serve: Serve, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", '["all_leads"]')
    return serve(World(days=30, accounts=2, visits_per_day=4, clock=clock.epoch))


def windows_of(sandbox: Sandbox, account: str) -> dict[date, tuple[date, date]]:
    return {date(2026, 2, 1): (START, date(2026, 2, 28)), date(2026, 3, 1): (date(2026, 3, 1), TODAY)}


def expected(sandbox: Sandbox, feed: str = "all_leads") -> list[dict[str, Any]]:
    rows = []
    for account in sandbox.world.accounts:
        for window_start, (first, last) in windows_of(sandbox, account).items():
            window = sandbox.world.window(account, first, last, "account")
            for figures in window.of_feed(sandbox.world.account(account).feeds[feed]):
                visits = figures.visits
                rows.append(
                    {
                        "account_id": account,
                        "custom_feed_id": feed,
                        "window_start": window_start,
                        "lead_id": figures.lead.id,
                        "start_date": first,
                        "end_date": last,
                        "visits": len(visits) if isinstance(visits, (list, tuple)) else visits,
                    }
                )
    return in_order(rows)


def assert_equal(warehouse: Warehouse, sandbox: Sandbox) -> None:
    wanted = expected(sandbox)
    assert wanted
    found = [{name: row[name] for name in wanted[0]} for row in rows_of(warehouse, VENDOR, "feed_leads")]
    assert in_order(found) == wanted
    leads = {(row["account_id"], row["id"]) for row in rows_of(warehouse, VENDOR, "leads")}
    assert {(row["account_id"], row["lead_id"]) for row in found} <= leads


def posts(sandbox: Sandbox) -> int:
    """Requests that the vendor took."""
    return sandbox.requests.count("/export-requests", method="POST", status=200)


def test_reports_land_whole(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    run()
    assert_equal(warehouse, sandbox)
    assert posts(sandbox) == 4
    ledger = warehouse.query(
        f"SELECT status, attempts, row_count, finished_at, created_at FROM {VENDOR}.export_requests"
    )
    assert [(status, attempts) for status, attempts, *_ in ledger] == [("processed", 1)] * 4
    assert all(count and finished and created for _, _, count, finished, created in ledger)
    assert positions(warehouse, VENDOR).loaded("6001", "feed_leads/all_leads") == Days(START, TODAY)


@on_duckdb
def test_every_feed_by_default(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS")
    run(accounts=frozenset({"6001"}))
    feeds = set(sandbox.world.account("6001").feeds)
    assert {feed for (feed,) in warehouse.query(f"SELECT custom_feed_id FROM {VENDOR}.export_requests")} == feeds
    assert posts(sandbox) == 2 * len(feeds)
    assert sandbox.requests.count(status=429) == 0


@on_duckdb
def test_a_feed_is_exported_where_it_is(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.world.add_feed("6002", "777", "Of one account")
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", '["all_leads", "777"]')
    run()
    asked = {(row["account_id"], row["custom_feed_id"]) for row in rows_of(warehouse, VENDOR, "export_requests")}
    assert asked == {("6001", "all_leads"), ("6002", "all_leads"), ("6002", "777")}
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", '["778"]')
    errors = [s.error for vendor in run(expect=1).vendors for s in vendor.streams if s.error]
    assert len(errors) == 2
    assert all("feed 778: " in error and "check export_feeds" in error for error in errors)


@on_duckdb
def test_only_the_current_window_is_asked_again(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock
) -> None:
    run()
    sandbox.requests.clear()
    sandbox.world.add_visits("6001", TODAY - timedelta(days=1), 3)
    run()
    assert posts(sandbox) == 2
    assert_equal(warehouse, sandbox)


def test_no_wait_leaves_requests_to_the_next_run(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.leadfeeder_legacy.options.exports.never_ready = True
    summary = run(wait=False)
    notes = [note for vendor in summary.vendors for stream in vendor.streams for note in stream.notes]
    assert len(notes) == 2
    assert all("2 export requests are pending" in note for note in notes)
    assert posts(sandbox) == 4
    assert rows_of(warehouse, VENDOR, "feed_leads") == []
    sandbox.leadfeeder_legacy.options.exports.never_ready = False
    run(wait=False)
    run(wait=False)
    assert posts(sandbox) == 4
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_failed_reports_are_asked_for_again(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.leadfeeder_legacy.options.exports.fail_next = 2
    run()
    assert posts(sandbox) == 6
    assert_equal(warehouse, sandbox)
    statuses = [s for (s,) in warehouse.query(f"SELECT status FROM {VENDOR}.export_requests ORDER BY status")]
    assert statuses == ["failed"] * 2 + ["processed"] * 4


@on_duckdb
def test_a_window_that_keeps_failing_is_an_error_of_its_own(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_ATTEMPTS", "1")
    sandbox.leadfeeder_legacy.options.exports.fail_next = 1
    summary = run(expect=1)
    errors = [s.error for v in summary.vendors for s in v.streams if s.error]
    assert len(errors) == 1
    assert "feed all_leads" in errors[0]
    assert len({(r["account_id"], r["window_start"]) for r in rows_of(warehouse, VENDOR, "feed_leads")}) == 3
    run()
    assert_equal(warehouse, sandbox)


@pytest.mark.parametrize("status", [403, 404, 410])
@on_duckdb
def test_an_expired_url_is_asked_for_afresh(warehouse: Warehouse, sandbox: Sandbox, run: Run, status: int) -> None:
    exports = sandbox.leadfeeder_legacy.options.exports
    exports.expire_next, exports.expired_status = 1, status
    run()
    assert posts(sandbox) == 4
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_a_report_that_is_gone_is_asked_for_again(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.leadfeeder_legacy.options.exports.expire_next = 2
    run(accounts=frozenset({"6001"}))
    assert posts(sandbox) == 3


@pytest.mark.parametrize("fault", ["cut_body", "short_body", "html", "wrong_shape"])
@on_duckdb
def test_a_damaged_report_is_fetched_again(warehouse: Warehouse, sandbox: Sandbox, run: Run, fault: str) -> None:
    sandbox.faults.add(fault, path="*/download/*", times=2)
    run()
    assert not sandbox.faults.pending
    assert posts(sandbox) == 4
    assert_equal(warehouse, sandbox)


@pytest.mark.parametrize("fault", ["cut_headers", "status"])
def test_an_unclear_answer_is_noted_and_asked_again(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, fault: str
) -> None:
    sandbox.faults.add(fault, path="*/export-requests", method="POST", times=1)
    run()
    assert sandbox.requests.count("/export-requests", method="POST") == 5
    assert_equal(warehouse, sandbox)
    lost = warehouse.query(f"SELECT id, error FROM {VENDOR}.export_requests WHERE status = 'unclear'")
    assert len(lost) == 1
    assert lost[0][1]


@on_duckdb
def test_a_run_that_is_stopped_before_its_turn_has_asked_for_nothing(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the accounts take the only request of the minute
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__REQUESTS_PER_MINUTE", "1")
    put = WarehouseLedger.put

    def put_and_stop(ledger: WarehouseLedger, *arguments: Any) -> None:
        put(ledger, *arguments)
        clock.stop()

    monkeypatch.setattr(WarehouseLedger, "put", put_and_stop)
    run(expect=1)
    assert sandbox.requests.count("/export-requests", method="POST") == 0
    assert warehouse.query(f"SELECT * FROM {VENDOR}.export_requests") == []


@on_duckdb
def test_an_answer_that_nobody_understands_is_kept_as_unclear(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    body = {"data": {"id": "1", "attributes": {"status": "archived"}}}
    sandbox.faults.add("wrong_shape", path="*/export-requests", method="POST", times=1, body=body)
    run(expect=1)
    [(status, error)] = warehouse.query(f"SELECT status, error FROM {VENDOR}.export_requests WHERE id LIKE 'unclear-%'")
    assert status == "unclear"
    assert "'archived'" in error
    run()
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_an_unknown_status_is_named(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.leadfeeder_legacy.options.exports.status_text = "archived"
    summary = run(expect=1)
    assert all("'archived'" in str(s.error) for v in summary.vendors for s in v.streams)
    sandbox.leadfeeder_legacy.options.exports.status_text = None
    run()
    assert posts(sandbox) == 4
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_too_old_requests_are_given_up(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_MAX_AGE", "5m")
    sandbox.leadfeeder_legacy.options.exports.never_ready = True
    summary = run(expect=1)
    assert all("export_max_age" in str(s.error) for v in summary.vendors for s in v.streams)
    sandbox.leadfeeder_legacy.options.exports.never_ready = False
    run()
    assert posts(sandbox) == 8
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_a_run_does_not_wait_longer_than_it_may(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.leadfeeder_legacy.options.exports.never_ready = True
    summary = run(expect=1, max_wait=timedelta(minutes=3))
    assert all("wait longer with --max-wait" in str(s.error) for v in summary.vendors for s in v.streams)
    sandbox.leadfeeder_legacy.options.exports.never_ready = False
    run()
    assert posts(sandbox) == 4
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_waiting_for_our_own_turn_is_not_waiting_for_the_vendor(
    warehouse: Warehouse, sandbox: Sandbox, clock: FakeClock, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_REQUESTS_PER_MINUTE", "1")
    began = clock.now()
    run(max_wait=timedelta(minutes=2))
    assert clock.now() - began > timedelta(minutes=3)
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_a_vendor_that_takes_no_request_is_not_asked_for_ever(
    warehouse: Warehouse, sandbox: Sandbox, clock: FakeClock, run: Run
) -> None:
    sandbox.faults.add("status", status=429, retry_after=60, path="*/export-requests", method="POST", times=None)
    began = clock.now()
    summary = run(expect=1, max_wait=timedelta(minutes=10))
    assert all("no report could be had within 0:10:00" in str(s.error) for v in summary.vendors for s in v.streams)
    assert clock.now() - began < timedelta(minutes=15)
    assert warehouse.query(f"SELECT * FROM {VENDOR}.export_requests") == []


@on_duckdb
def test_a_mistake_of_ours_is_one_windows_failure(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistakes = [KeyError("nobody thought of that")]
    read = Report.read

    def read_or_fail(report: Report) -> int:
        while mistakes:
            raise mistakes.pop()
        return read(report)

    monkeypatch.setattr(Report, "read", read_or_fail)
    errors = [s.error for v in run(expect=1).vendors for s in v.streams if s.error]
    assert len(errors) == 1
    assert "unexpected KeyError" in errors[0]
    assert len({(row["account_id"], row["window_start"]) for row in rows_of(warehouse, VENDOR, "feed_leads")}) == 3
    run()
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_when_it_was_taken_may_be_unreadable(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    # nor is the id that an answer names another one's: ours is the one that was asked for
    body = {"data": {"id": "1", "attributes": {"status": "pending", "created_at": "a while ago"}}}
    sandbox.faults.add("wrong_shape", path="*/export-requests/*", method="GET", times=1, body=body)
    run(accounts=frozenset({"6001"}), days=Days(TODAY, TODAY))
    assert posts(sandbox) == 1
    assert len(rows_of(warehouse, VENDOR, "feed_leads")) > 0


@pytest.mark.parametrize("order", [1, -1])
@on_duckdb
def test_what_a_backfill_has_brought_stays(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", "2026-03-10")
    earlier = Days(date(2026, 3, 4), date(2026, 3, 5))
    for asked in [{}, {"days": earlier}][::order]:
        run(**asked)
    run()
    spans = {(row["start_date"], row["end_date"]) for row in rows_of(warehouse, VENDOR, "feed_leads")}
    assert spans == {(earlier.first, TODAY)}


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        # yesterday's request for what today's has brought already
        ("2026-03-01", "2026-03-17", "a later report of its window is loaded"),
        # for a day that the leads list did not show whole, and now does
        ("2026-03-10", "2026-03-10", "its days are not asked for any more"),
    ],
)
@on_duckdb
def test_a_request_whose_days_are_there_takes_nothings_place(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, start: str, end: str, why: str
) -> None:
    run()
    earlier = "status = 'pending', finished_at = NULL, id = id || '-earlier', start_date = %s, end_date = %s"
    with warehouse.open() as client:
        client.execute_sql(f"CREATE TABLE kept AS SELECT * FROM {VENDOR}.export_requests WHERE end_date = %s", TODAY)
        client.execute_sql(f"UPDATE kept SET {earlier}", start, end)
        client.execute_sql(f"INSERT INTO {VENDOR}.export_requests SELECT * FROM kept")
    summary = run()
    assert_equal(warehouse, sandbox)
    # what is let go of for good is said
    said = [note for vendor in summary.vendors for stream in vendor.streams for note in stream.notes if why in note]
    assert len(said) == (2 if "not asked for" in why else 0)
    ended = f"SELECT status, error, finished_at IS NULL FROM {VENDOR}.export_requests WHERE id LIKE '%%-earlier'"
    assert warehouse.query(ended) == [("given_up", why, False)] * 2


def test_an_export_does_not_wait_behind_pages(clock: FakeClock) -> None:
    budget = Budget(Limit(100, timedelta(minutes=1)), clock=clock)
    session = Session(
        base_url="http://127.0.0.1:9", auth=None, secrets=(), budget=budget, clock=clock, read_error=str, workers=2
    )
    exports = Exports(session, MemoryLedger(), lambda account, meter: [], budget, clock, Policy())
    turn = threading.Event()
    for _ in range(session.workers):
        session.pool.submit(turn.wait)

    async def step() -> str:
        return await asyncio.wait_for(exports._call(lambda: "submitted"), timeout=5)

    try:
        assert asyncio.run(step()) == "submitted"
    finally:
        turn.set()
        session.close()


@on_duckdb
def test_the_token_stays_at_home(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.leadfeeder_legacy.options.exports.download_host = "other"
    run()
    assert_equal(warehouse, sandbox)
    downloads = sandbox.requests.find("*/download/*")
    assert downloads
    assert not any("authorization" in {name.lower() for name in seen.headers} for seen in downloads)
    assert not any(sandbox.leadfeeder_legacy.options.token in str(seen.headers) for seen in downloads)


@on_duckdb
def test_a_redirect_of_the_download_takes_no_token_along(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.leadfeeder_legacy.options.exports.redirect_downloads = True
    run()
    assert_equal(warehouse, sandbox)
    followed = [seen for seen in sandbox.requests.find("*/download/*") if seen.query.get("moved")]
    assert len(followed) == 4
    assert not any("authorization" in {name.lower() for name in seen.headers} for seen in followed)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://reports.example/1.json", "which is not http(s)"),
        ("file:///etc/passwd", "which is not http(s)"),
        ("http://10.0.0.8/1.json", "inside a private network"),
        ("http://169.254.169.254/latest", "inside a private network"),
        ("http://[::1]/1.json", "inside a private network"),
    ],
)
@on_duckdb
def test_a_download_from_a_place_that_is_none_of_the_vendors_is_refused(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    sandbox.leadfeeder_legacy.options.exports.download_url = url
    # the sandbox itself stands in a private network: to the rest it is a public host
    own = sandbox.url.split("//")[1].split(":")[0]
    real = urls._is_private
    monkeypatch.setattr(urls, "_is_private", lambda host: host != own and real(host))

    summary = run(expect=1)

    errors = [stream.error or "" for vendor in summary.vendors for stream in vendor.streams]
    assert errors
    assert all(words in error for error in errors)
    assert not sandbox.requests.find("*/download/*")
    assert rows_of(warehouse, VENDOR, "feed_leads") == []


def test_a_removed_lead_leaves_its_window(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    run()
    for offset in range(18):
        sandbox.world.empty_day("6002", TODAY - timedelta(days=offset))
    run()
    assert not [
        row
        for row in rows_of(warehouse, VENDOR, "feed_leads")
        if (row["account_id"], row["window_start"]) == ("6002", date(2026, 3, 1))
    ]


@on_duckdb
def test_two_reports_of_one_window_are_not_mixed(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock
) -> None:
    run(wait=False)
    clock.move(timedelta(days=1))
    for offset in range(5):
        # yesterday's report, ready by now, was made without knowing
        sandbox.world.empty_day("6001", TODAY - timedelta(days=offset))
    sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
    run()
    march = [row for row in rows_of(warehouse, VENDOR, "feed_leads") if row["window_start"] == date(2026, 3, 1)]
    assert {row["end_date"] for row in march} == {TODAY + timedelta(days=1)}
    statuses = dict(warehouse.query(f"SELECT status, count(*) FROM {VENDOR}.export_requests GROUP BY 1"))
    assert statuses == {"processed": 6}


@on_duckdb
def test_a_report_that_was_ready_for_long_is_taken(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_MAX_AGE", "5m")
    sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
    run(wait=False)
    clock.move(timedelta(minutes=6))
    run()
    assert posts(sandbox) == 4
    assert_equal(warehouse, sandbox)


@on_duckdb
def test_an_earlier_request_that_is_never_ready_keeps_nothing_away(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", "2026-03-01")
    run(wait=False)
    clock.move(timedelta(days=1, minutes=5))
    summary = run()
    ends = {row["end_date"] for row in rows_of(warehouse, VENDOR, "feed_leads")}
    assert ends == {TODAY + timedelta(days=1)}
    notes = [note for vendor in summary.vendors for stream in vendor.streams for note in stream.notes]
    assert [note for note in notes if "is not waited for any longer" in note]


@on_duckdb
def test_an_earlier_request_that_is_never_ready_is_told_where_nobody_waits(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", "2026-03-01")
    sandbox.leadfeeder_legacy.options.exports.never_ready = True
    run(wait=False)
    clock.move(timedelta(days=1, minutes=5))
    summary = run(expect=1, wait=False)
    assert all("export_max_age" in str(s.error) for vendor in summary.vendors for s in vendor.streams)


@on_duckdb
def test_waiting_for_the_vendors_limit_is_counted(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.faults.add("status", path="*/export-requests", method="POST", status=429, retry_after=300, times=1)
    waited = [stream.seconds_waited for vendor in run().vendors for stream in vendor.streams]
    assert max(waited) >= 300


@on_duckdb
def test_an_earlier_request_that_fails_is_not_made_again(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", "2026-03-01")
    sandbox.leadfeeder_legacy.options.exports.fail_next = 2
    run(wait=False)
    clock.move(timedelta(days=1))
    run()
    asked = sorted((row["account_id"], row["end_date"]) for row in rows_of(warehouse, VENDOR, "export_requests"))
    assert asked == [(account, TODAY + timedelta(days=n)) for account in ("6001", "6002") for n in (0, 1)]


@on_duckdb
def test_a_day_that_is_listed_again_is_not_taken_from_a_report(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", "2026-03-17")
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", "[]")
    sandbox = serve(World(days=3, accounts=1, visits_per_day=5, clock=clock.epoch), limits=False)
    crowded = date(2026, 3, 17)
    sandbox.world.crowd_day("6001", crowded, 10_020)
    run(expect=1, streams=frozenset({"leads"}), wait=False)
    assert posts(sandbox) == 1
    sandbox.world.empty_day("6001", crowded)
    # the report would be there first
    sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
    sandbox.faults.add("latency", path="*/leads", times=None, seconds=0.5)
    run(streams=frozenset({"leads"}))
    assert [row for row in rows_of(warehouse, VENDOR, "lead_days") if row["date"] == crowded] == []
    assert warehouse.query("SELECT * FROM ops.incomplete_days") == []
    ledger = warehouse.query(f"SELECT status, error FROM {VENDOR}.export_requests")
    assert ledger == [("given_up", "the leads list shows its day whole")]


def test_reports_fill_but_never_blank(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    run(streams=frozenset({"leads", "feed_leads"}))
    before = {(r["account_id"], r["id"]): r for r in rows_of(warehouse, VENDOR, "leads")}
    assert [row for row in before.values() if row["phone"]]
    run()
    after = {(r["account_id"], r["id"]): r for r in rows_of(warehouse, VENDOR, "leads")}
    assert after == before


def test_what_a_list_shows_as_empty_stays_empty(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    def write(sql: str) -> None:
        with warehouse.open() as client:
            client.execute_sql(sql)

    run(streams=frozenset({"leads", "feed_leads"}))
    write(f"UPDATE {VENDOR}.report_leads SET twitter_handle = 'old', website_url = 'old'")
    write(f"INSERT INTO {VENDOR}.report_leads (account_id, id, name) VALUES ('6001', 'stranger', 'Known by a report')")
    run(streams=frozenset({"leads"}))
    write(f"UPDATE {VENDOR}.report_leads SET twitter_handle = 'known' WHERE id = 'stranger'")
    run(streams=frozenset({"leads"}))
    handles = {row["id"]: row["twitter_handle"] for row in rows_of(warehouse, VENDOR, "leads")}
    assert handles.pop("stranger") == "known"
    assert None in handles.values()
    assert "old" not in handles.values()


def test_a_crowded_day_goes_through_an_export_request(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", "2026-03-16")
    sandbox = serve(World(days=3, accounts=1, visits_per_day=5, clock=clock.epoch), limits=False)
    crowded = date(2026, 3, 17)
    sandbox.world.crowd_day("6001", crowded, 10_020)
    summary = run(streams=frozenset({"leads"}))
    assert posts(sandbox) == 1
    days = [row for row in rows_of(warehouse, VENDOR, "lead_days") if row["date"] == crowded]
    assert len(days) == 10_020
    leads = {row["id"] for row in rows_of(warehouse, VENDOR, "leads")}
    assert {row["lead_id"] for row in days} <= leads
    assert warehouse.query("SELECT * FROM ops.incomplete_days") == []
    notes = [note for vendor in summary.vendors for stream in vendor.streams for note in stream.notes]
    assert notes == ["2026-03-17 was read by an export request"]


def test_a_backfill_asks_for_the_windows_it_touches(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    run(days=Days(date(2026, 2, 25), date(2026, 3, 2)))
    asked = warehouse.query(f"SELECT DISTINCT start_date, end_date FROM {VENDOR}.export_requests ORDER BY 1")
    assert asked == [(START, date(2026, 2, 28)), (date(2026, 3, 1), TODAY)]
    assert positions(warehouse, VENDOR).loaded("6001", "feed_leads/all_leads") is None


@on_duckdb
def test_other_streams_load_while_exports_wait(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock
) -> None:
    sandbox.leadfeeder_legacy.options.exports.pending_seconds = 1200
    run(streams=frozenset({"visits", "feed_leads"}))
    ended = dict(warehouse.query("SELECT stream, max(finished_at) FROM ops.runs GROUP BY stream"))
    assert ended["feed_leads"] - ended["visits"] > timedelta(seconds=600)
    packages = warehouse.query(f"SELECT count(*) FROM {VENDOR}._dlt_loads")[0][0]
    assert packages >= 2
    assert_equal(warehouse, sandbox)
