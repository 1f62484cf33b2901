"""The `/v1` API through the whole house: every row of every table is what the vendor holds, whatever happens to it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.status import positions, status
from pipelines.warehouse import Warehouse
from sandbox import World
from sources.errors import AccessError, NotEntitledError
from sources.leadfeeder.api import Api
from sources.leadfeeder.reader import Reader
from sources.windows import Days
from tests.conftest import FakeClock
from tests.reading import rows_of

from .conftest import START, TODAY, VENDOR, Run, Serve, assert_equal, bodies, results

# what does not depend on the destination is tried on one
duckdb_only = pytest.mark.parametrize("destination", ["duckdb"])
TOMORROW = TODAY + timedelta(days=1)


def test_first_load_equals_the_vendor(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve()
    run()
    # the accounts are listed once, and each is asked for its credits
    asked = [seen.query for seen in sandbox.requests.find("/accounts", status=200)]
    assert sorted(asked, key=str) == [{"account_id": "6001"}, {"account_id": "6002"}, {}]
    assert_equal(warehouse, sandbox)
    lines = {(line.stream, line.account_id): line for line in status(warehouse, clock.now())}
    assert lines["visits", "6001"].loaded_until == lines["feed_companies", "6001"].loaded_until == TODAY
    assert lines["accounts", None].rows == 2
    assert lines["visits", "6001"].rows + lines["visits", "6002"].rows == len(rows_of(warehouse, VENDOR, "visits"))


def test_time_passes(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve()
    world, lists = sandbox.world, sandbox.leadfeeder.lists
    first, second = world.accounts
    run()
    clock.move(timedelta(hours=20))
    yesterday = TODAY - timedelta(days=1)
    world.add_visits(first, yesterday, 5)
    world.remove_visits(first, TODAY, 3)
    world.grow_visit(first, world.visits(first, yesterday)[0].id)
    world.empty_day(second, yesterday)
    world.add_feed(second, "4711", "Germany", country_code="DE")
    lists.remove_tag(first, lists.add_tag(first, "gone at once"))
    lists.rename_tag(first, next(iter(lists.tags_of(first))), "renamed")
    list_id = lists.add_list(first, "New", "contact", ["700000010"])
    lists.change_list(first, list_id, name="Newer", add=["700000020"], remove=["700000010"])
    lists.remove_list(
        second, next(each["id"] for each in rows_of(warehouse, VENDOR, "lists") if each["account_id"] == second)
    )
    run()
    assert_equal(warehouse, sandbox, last=TOMORROW)


@duckdb_only
def test_a_feed_that_is_gone_keeps_what_was_in_it(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    run()
    sandbox.world.remove_feed("6001", "new_leads")
    run()
    assert "new_leads" not in {r["id"] for r in rows_of(warehouse, VENDOR, "custom_feeds") if r["account_id"] == "6001"}
    kept = [row for row in rows_of(warehouse, VENDOR, "feed_companies") if row["account_id"] == "6001"]
    assert "new_leads" in {row["custom_feed_id"] for row in kept}


@duckdb_only
def test_the_other_form_of_an_answer(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve(World(days=6, accounts=1, visits_per_day=60, clock=clock.epoch))
    sandbox.leadfeeder.options.relationships, sandbox.leadfeeder.options.paging_block = "data", "meta"
    sandbox.faults.add("status", status=429, vendor=VENDOR)
    run()
    # a limit of the vendor's is over in a second
    assert sum(clock.slept) < 30
    assert_equal(warehouse, sandbox)


@duckdb_only
def test_months_are_asked_for_to_their_ends(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    clock.move(timedelta(days=14))
    first, last = date(2026, 3, 12), date(2026, 4, 1)
    sandbox = serve(World(days=21, accounts=1, visits_per_day=10, clock=clock.epoch))
    run()
    assert_equal(warehouse, sandbox, first, last)
    spans = {
        (row["window_start"], row["start_date"], row["end_date"])
        for row in rows_of(warehouse, VENDOR, "feed_companies")
    }
    assert spans == {(date(2026, 3, 1), first, date(2026, 3, 31)), (date(2026, 4, 1), date(2026, 4, 1), last)}
    # a month that is over is not asked for again once lookback_days no longer reach into it
    clock.move(timedelta(days=6))
    run()
    sandbox.requests.clear()
    clock.move(timedelta(hours=1))
    run()
    asked = {seen.query["start_date"] for seen in sandbox.requests.find("/web-visits/companies")}
    assert asked == {"2026-04-01"}
    assert_equal(warehouse, sandbox, first, date(2026, 4, 7))


@duckdb_only
def test_a_backfill_leaves_the_position_alone(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    serve(World(days=20, accounts=1, visits_per_day=10, clock=clock.epoch))
    run()
    before = list(positions(warehouse, VENDOR).all_loaded())
    early = Days(date(2026, 3, 5), date(2026, 3, 6))
    run(days=early)
    assert list(positions(warehouse, VENDOR).all_loaded()) == before
    dates = {row["visit_date"] for row in rows_of(warehouse, VENDOR, "visits")}
    assert dates == set(early) | set(Days(START, TODAY))
    # the month that it has a part in is not cut off again
    run()
    for table in ("visitor_companies", "feed_companies"):
        assert {(row["start_date"], row["end_date"]) for row in rows_of(warehouse, VENDOR, table)} == {
            (early.first, TODAY)
        }


@duckdb_only
def test_a_fresh_machine_goes_on(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve()
    run()
    clock.move(timedelta(days=1))
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "another machine"))
    sandbox.requests.clear()
    run()
    # lookback_days, and the day around them
    assert {body["start_date"] for body in bodies(sandbox)} == {(TODAY - timedelta(days=4)).isoformat()}
    assert_equal(warehouse, sandbox, last=TOMORROW)


@duckdb_only
def test_an_account_that_comes_later_begins_at_the_start(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock
) -> None:
    sandbox = serve()
    run()
    clock.move(timedelta(days=1))
    late = sandbox.world.add_account("Newcomer", timezone="UTC", visits_per_day=8)
    run()
    assert_equal(warehouse, sandbox, last=TOMORROW)
    assert positions(warehouse, VENDOR).loaded(late, "visits") == Days(START, TOMORROW)


@duckdb_only
def test_new_fields_become_columns(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    run()
    sandbox.world.add_field("visits", "utmContent", {"a": [1]})
    sandbox.world.add_field("leads", "score", 42)
    sandbox.world.add_field("accounts", "region", "EU")
    run()
    visits = rows_of(warehouse, VENDOR, "visits")
    assert {row["utm_content"] for row in visits if row["visit_date"] >= TODAY - timedelta(days=3)} == {'{"a":[1]}'}
    assert {row["score"] for row in rows_of(warehouse, VENDOR, "visitor_companies")} == {"42"}
    assert {row["region"] for row in rows_of(warehouse, VENDOR, "accounts")} == {"EU"}


@duckdb_only
def test_the_days_of_any_zone_come_whole(
    warehouse: Warehouse,
    serve: Serve,
    run: Run,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the vendor bounds days by the account's zone, a day that is read again loses nothing."""
    sandbox = serve(World(days=6, accounts=3, visits_per_day=60, clock=clock.epoch))
    world = sandbox.world

    def window(account: Any, asked: Any) -> Any:
        return world.window(account.id, asked["start_date"], asked["end_date"], "account")

    def loaded(account: str) -> set[str]:
        return {row["id"] for row in rows_of(warehouse, VENDOR, "visits") if row["account_id"] == account}

    monkeypatch.setattr(sandbox.leadfeeder, "window", window)
    for asked in ({}, {"days": Days(date(2026, 3, 15), date(2026, 3, 16))}, {}):
        run(streams=frozenset({"visits"}), **asked)
        for account in world.accounts:
            assert loaded(account) == {visit.id for visit in world.window(account, START, TODAY, "utc").visits}


NOT_BOUGHT = {"errors": [{"code": "insufficient_entitlements", "title": "Not part of the plan"}]}


@pytest.mark.parametrize(("status", "body", "code"), [(404, None, 1), (403, NOT_BOUGHT, 0)])
@duckdb_only
def test_one_list_keeps_no_other_away(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, status: int, body: Any, code: int
) -> None:
    sandbox = serve(World(days=6, accounts=1, visits_per_day=5, clock=clock.epoch))
    lists = sandbox.leadfeeder.lists
    account = sandbox.world.account("6001")
    ill, *others = (each for each in lists.shelf(account).lists.values() if each.items)
    sandbox.faults.add("status", status=status, body=body, path=f"/lists/{ill.id}/items", times=None)
    lane = results(run(expect=code, streams=frozenset({"lists", "list_items"})))["list_items", "6001"]
    assert {row["list_id"] for row in rows_of(warehouse, VENDOR, "list_items")} == {each.id for each in others}
    assert lane.status == ("ok" if code == 0 else "failed")
    assert f"list_items, {ill.id}: " in " ".join([*lane.notes, lane.error or ""])
    sandbox.faults.clear()
    run(streams=frozenset({"lists", "list_items"}))
    assert {row["list_id"] for row in rows_of(warehouse, VENDOR, "list_items")} == {ill.id, *(o.id for o in others)}
    lists.remove_list("6001", ill.id)
    sandbox.requests.clear()
    run(streams=frozenset({"lists", "list_items"}))
    assert {row["list_id"] for row in rows_of(warehouse, VENDOR, "list_items")} == {each.id for each in others}
    assert not sandbox.requests.find(f"/lists/{ill.id}/items")


@pytest.mark.parametrize(("error", "code"), [(NotEntitledError("not bought"), 0), (AccessError("gone", status=404), 1)])
@duckdb_only
def test_one_feed_keeps_no_other_away(
    warehouse: Warehouse, serve: Serve, run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER__START_DATE", "2026-02-20")
    sandbox = serve()
    feeds = set(sandbox.world.account("6001").feeds)
    read, refused = Reader._companies, min(feeds)

    def companies(reader: Reader, account: Any, days: Any, feed: str | None, meter: Any) -> Any:
        if feed == refused and account.id == "6001":
            raise error
        return read(reader, account, days, feed, meter)

    monkeypatch.setattr(Reader, "_companies", companies)
    summary = run(expect=code, streams=frozenset({"feed_companies"}))
    known = positions(warehouse, VENDOR)
    assert known.loaded("6001", f"feed_companies/{refused}") is None
    assert {feed for feed in feeds if known.loaded("6001", f"feed_companies/{feed}")} == feeds - {refused}
    assert results(summary)["feed_companies", "6001"].status == ("ok" if code == 0 else "failed")


@duckdb_only
def test_one_scope_of_lists_that_is_not_bought(
    warehouse: Warehouse, serve: Serve, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(World(days=6, accounts=1, visits_per_day=5))
    listed = Api.listed

    def without_contacts(api: Api, path: str, meter: Any, params: Any = None, **named: Any) -> Any:
        if (params or {}).get("filter[scope]") == "contact":
            raise NotEntitledError("not bought")
        return listed(api, path, meter, params, **named)

    monkeypatch.setattr(Api, "listed", without_contacts)
    summary = run(streams=frozenset({"lists", "list_items"}))
    notes = [note for lane in summary.vendors[0].streams for note in lane.notes]
    assert notes == ["skipped: the lists of one scope: not bought"]
    assert {row["scope"] for row in rows_of(warehouse, VENDOR, "lists")} == {"company"}
    assert rows_of(warehouse, VENDOR, "list_items")


@duckdb_only
def test_a_feed_without_an_id_is_its_own_streams_failure(
    warehouse: Warehouse, serve: Serve, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    feeds = Reader.feeds

    def nameless(reader: Reader, account: Any, meter: Any) -> Any:
        return [{"attributes": {}} if account.id == "6001" else feed for feed in feeds(reader, account, meter)]

    monkeypatch.setattr(Reader, "feeds", nameless)
    ended = results(run(expect=1, streams=frozenset({"feed_companies", "tags"})))
    assert {place for place, lane in ended.items() if lane.status != "ok"} == {("feed_companies", "6001")}
    assert "something that has no id" in (ended["feed_companies", "6001"].error or "")


@duckdb_only
def test_credits_that_are_not_told_leave_the_accounts(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    sandbox.faults.add("status", status=500, path="/accounts", account="6001", times=None)
    lane = results(run(streams=frozenset({"accounts"})))["accounts", None]
    assert {row["id"] for row in rows_of(warehouse, VENDOR, "accounts")} == {"6001", "6002"}
    assert [note.partition(":")[0] for note in lane.notes] == ["the credits of account 6001 are unknown"]


@duckdb_only
def test_a_wrong_address_is_named(serve: Serve, run: Run) -> None:
    serve().faults.add("status", status=404, path="/accounts", times=None)
    assert str(run(expect=1).vendors[0].error).endswith("; check sources.leadfeeder.base_url")
