"""Lists that are longer than an hour has requests: where a run stops, the next one goes on."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.sync import Summary
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from sources.lanes import Lane
from sources.leedo.api import Page
from sources.leedo.known import Known
from sources.leedo.tables import CAMPAIGNS
from sources.leedo.walk import Walk
from sources.meter import Meter
from sources.pii import Pii
from tests.conftest import FakeClock
from tests.leedo.conftest import Run
from tests.leedo.oracle import COLUMNS, Oracle
from tests.leedo.test_sync import Serve, Setting, assert_equal, assert_same, duckdb_only, history, small, there
from tests.reading import dump, rows_of

HOUR = timedelta(hours=1)


@pytest.fixture
def sandbox(serve: Serve, clock: FakeClock, setting: Setting) -> Sandbox:
    """A vendor of ten requests an hour, and ten pages of leads."""
    sandbox = serve(small(clock))
    sandbox.leedo.options.requests_per_hour = 10
    setting("requests_per_hour", 10)
    sandbox.leedo.crm.bulk_leads(950)
    return sandbox


def pages(sandbox: Sandbox, kind: str) -> list[int]:
    return [int(seen.query["page"]) for seen in sandbox.requests.find(f"/{kind}", status=200)]


def ended(summary: Summary) -> dict[str, str]:
    return {lane.stream: lane.status for lane in summary.vendors[0].streams}


def test_a_long_list_is_finished_by_several_runs(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock
) -> None:
    summary = run(expect=1)
    assert ended(summary) == {"campaigns": "ok", "contacts": "ok", "accounts": "ok", "leads": "failed"}
    (error,) = [lane.error for lane in summary.vendors[0].streams if lane.error]
    assert "longer than this run may wait; run again later, or allow more with --max-wait" in error
    # what came is there, and how far it came
    assert pages(sandbox, "leads") == [1, 2, 3, 4]
    assert len(there(warehouse, "leads")) == len(rows_of(warehouse, "leedo", "unfinished_walks")) == 400
    # somebody is new and somebody moves on before the walk does
    sandbox.leedo.crm.add_crm_rows("leads", 2)
    clock.move(HOUR)
    summary = run()
    # the page before it stopped again, then the rest, then the first ones for what is new
    assert pages(sandbox, "leads")[4:] == [4, 5, 6, 7, 8, 9, 10, 1]
    assert_same(warehouse, sandbox, "leads")
    # the other lists take what is left of the hour, and have been read anyway
    late = ["the hour has nothing left for it; it was read at 2026-03-18T15:30:00+00:00"]
    assert {lane.stream: lane.notes for lane in summary.vendors[0].streams if lane.notes} == {
        "leads": ["pages 1 to 3 were read by an earlier run; what has changed on them comes with the next"],
        "contacts": late,
        "accounts": late,
    }
    # the next run begins with all of them again
    clock.move(HOUR)
    sandbox.requests.clear()
    run(expect=1)
    assert lists_of(sandbox) == [4, 3, 2, 1]
    assert sandbox.requests.count(vendor="leedo", status=429) == 0


@duckdb_only
def test_rows_that_go_between_the_runs_of_a_walk(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock
) -> None:
    run(expect=1)
    first = clock.now()
    gone = sandbox.leedo.crm.remove_crm_rows("leads", 30)
    clock.move(HOUR)
    run(streams=frozenset({"leads"}))
    # none was missed, though thirty have moved to a page that had been read
    assert len(there(warehouse, "leads")) == 966
    assert rows_of(warehouse, "leedo", "unfinished_walks") == []
    clock.move(HOUR)
    run(streams=frozenset({"leads"}))
    marked = [row for row in rows_of(warehouse, "leedo", "leads") if row["deleted_at"]]
    assert {row["id"] for row in marked} == set(gone)
    assert {row["deleted_at"] for row in marked} == {first + 2 * HOUR}
    assert history(warehouse, gone[0])[-1][2] == first + 2 * HOUR


@duckdb_only
def test_a_list_that_an_hour_can_read_is_begun_again(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting
) -> None:
    setting("requests_per_hour", 1000)
    sandbox.leedo.options.requests_per_hour = None
    sandbox.faults.add("status", status=403, path="/leads", page=7, times=None)
    run(expect=1)
    assert len(rows_of(warehouse, "leedo", "unfinished_walks")) == 600
    sandbox.faults.clear()
    crm = sandbox.leedo.crm
    # on pages that had been read
    first, second = (row["id"] for row in there(warehouse, "leads")[:2])
    crm.change_crm_row("leads", first, status="lost")
    crm.remove_crm_rows("leads", [second])
    crm.add_crm_rows("leads", 1)
    clock.move(HOUR)
    run()
    assert_equal(warehouse, sandbox)


@duckdb_only
def test_nobody_starves(warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting) -> None:
    sandbox.leedo.options.requests_per_hour = 4
    setting("requests_per_hour", 4)
    for _ in range(4):
        run(expect=1)
        clock.move(HOUR)
    # lists that are not at their end come first; small ones do not take the whole hour again and again
    assert pages(sandbox, "leads") == [1, 1, 2, 3, 3, 4, 5]
    assert len(there(warehouse, "leads")) == 500


@pytest.mark.parametrize("unit", ["epoch", "seconds"])
@duckdb_only
def test_the_vendors_hour_is_waited_for(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, unit: Any
) -> None:
    sandbox.leedo.options.reset_unit = unit
    waits: list[int] = []
    slept = clock.sleep

    def sleep(seconds: float) -> None:
        # everything that has been read is in the warehouse before the wait begins
        waits.append(len(there(warehouse, "leads")))
        slept(seconds)

    clock.sleep = sleep  # type: ignore[method-assign]
    # half past three: the vendor's hour turns at four
    run(max_wait=timedelta(minutes=31))
    assert waits == [400]
    assert sum(clock.slept) == pytest.approx(1800, abs=1)
    assert sandbox.requests.count(vendor="leedo", status=429) == 0
    assert_same(warehouse, sandbox, "leads")


@duckdb_only
def test_an_hour_that_somebody_else_has_used(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock
) -> None:
    sandbox.leedo.options.requests_per_hour = 3
    run(expect=1)
    sandbox.leedo.options.requests_per_hour = 10
    for _ in range(10):
        sandbox.leedo.limit.admit(sandbox.leedo.options.token)
    summary = run(expect=1)
    assert "is over the vendor's rate limit for another" in str(summary.vendors[0].error)
    clock.move(HOUR)
    run(expect=1)
    assert len(there(warehouse, "leads")) > 0


@pytest.mark.parametrize(
    ("total", "says", "sizes", "asked"),
    [
        # a list that says nothing of itself ends with a page that is not full
        (None, None, [3, 3, 2], [1, 2, 3]),
        (None, 3, [3, 3], [1, 2, 3]),
        # one that says how long it is ends there
        (6, 3, [3, 3], [1, 2]),
        (7, 2, [2, 2, 2, 1], [1, 2, 3, 4]),
        # though one in between is short of rows that it hides
        (8, 3, [3, 2, 3], [1, 2, 3]),
        # and has pages as long as they are, whatever it says of them
        (5, 100, [2, 2, 1], [1, 2, 3]),
        (0, 100, [0], [1]),
    ],
)
def test_where_a_list_ends(
    clock: FakeClock, total: int | None, says: int | None, sizes: list[int], asked: list[int]
) -> None:
    numbers = iter(range(100))
    pages = [Page([{"id": next(numbers)} for _ in range(size)], total, says) for size in sizes]
    seen: list[int] = []

    def fetch(number: int, _: Meter) -> Page:
        seen.append(number)
        return pages[number - 1] if number <= len(pages) else Page([], None, None)

    known = Known(CAMPAIGNS, [], Pii())
    walk = Walk("campaigns", known, fetch, clock, incremental=False)
    run, lane = SimpleNamespace(spent=False), Lane("campaigns", None, clock.now())
    with ThreadPoolExecutor(1) as pool:
        assert walk.read(run, lane, pool, 1)  # type: ignore[arg-type]
    assert seen == asked
    assert len(known.rows) == lane.rows == sum(sizes)


@pytest.mark.parametrize(
    ("total", "second", "deleted"),
    [
        (None, "the first again", False),
        (None, "refused", False),
        (None, "empty", True),
        (None, "others, then refused", True),
        (3, "refused", True),
    ],
)
def test_a_list_whose_end_is_a_guess_deletes_nothing(
    clock: FakeClock, total: int | None, second: str, deleted: bool
) -> None:
    refused = Page([], None, None, refused=True)
    first, others = (Page([{"id": number} for number in range(at, at + 3)], total, 3) for at in (0, 3))
    pages = {
        "the first again": [first, first],
        "refused": [first, refused],
        "empty": [first, Page([], total, 3)],
        "others, then refused": [first, others, refused],
    }[second]
    earlier = Known(CAMPAIGNS, [], Pii())
    earlier.listed([{"id": 77}], clock.now())
    known = Known(CAMPAIGNS, earlier.rows.values(), Pii())
    walk = Walk("campaigns", known, lambda number, _: pages[number - 1], clock, incremental=False)
    run, lane = SimpleNamespace(spent=False), Lane("campaigns", None, clock.now())
    with ThreadPoolExecutor(1) as pool:
        assert walk.read(run, lane, pool, 1)  # type: ignore[arg-type]
    assert (known.rows["77"]["deleted_at"] is not None) == deleted
    assert lane.notes == ([] if deleted else ["page 2 may not be the last: no row is taken for deleted"])


@duckdb_only
def test_another_page_size_begins_anew(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting
) -> None:
    run(expect=1)
    setting("per_page", 90)
    setting("requests_per_hour", 100)
    sandbox.leedo.options.requests_per_hour = None
    clock.move(HOUR)
    run()
    assert pages(sandbox, "leads")[4:] == [*range(1, math.ceil(966 / 90) + 1)]
    assert_equal(warehouse, sandbox)


# -- details -----------------------------------------------------------------------------------------------------------


@duckdb_only
def test_details_of_what_is_new_and_what_has_changed(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting
) -> None:
    sandbox.leedo.crm.bulk_leads(0)
    sandbox.leedo.options.requests_per_hour = None
    setting("requests_per_hour", 5000)
    setting("details", True)
    run()

    def assert_detailed() -> None:
        assert_equal(warehouse, sandbox)
        oracle = Oracle(sandbox)
        for kind in COLUMNS:
            for row in there(warehouse, kind)[::9]:
                expected = oracle.detailed(kind, row["id"])
                assert {name: row[name] for name in expected} == expected
        assert any(row["phone"] for row in there(warehouse, "leads"))

    assert_detailed()
    before = dump(warehouse, "leedo")
    sandbox.requests.clear()
    run()
    assert dump(warehouse, "leedo") == before
    assert sandbox.requests.count("/*/*", vendor="leedo") == 0
    clock.move(HOUR)
    with_phone = next(row for row in there(warehouse, "leads") if row["phone"])
    sandbox.leedo.crm.change_crm_row("leads", with_phone["id"], status="lost", phone="+1")
    (new,) = sandbox.leedo.crm.add_crm_rows("contacts", 1)
    sandbox.requests.clear()
    # without details a changed row keeps what is known of it, but for the instant of a change that is not
    setting("details", False)
    run()
    row = next(row for row in there(warehouse, "leads") if row["id"] == with_phone["id"])
    assert (row["phone"], row["updated_at"]) == (with_phone["phone"], None)
    setting("details", True)
    run()
    asked = {seen.path for seen in sandbox.requests.find("/*/*", vendor="leedo")}
    assert {f"/leads/{with_phone['id']}", f"/contacts/{new}"} <= asked
    assert_detailed()


@duckdb_only
def test_details_take_what_the_hour_has_left(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting
) -> None:
    setting("details", True)
    sandbox.leedo.crm.bulk_leads(0)
    summary = run()
    # seven requests for the lists, three for the newest rows of all
    found = sorted(
        (row for kind in ("leads", "contacts", "accounts", "campaigns") for row in there(warehouse, kind)),
        key=lambda row: row["created_at"],
    )
    left = 10 - sum(lists_of(sandbox))
    assert 0 < left < 10
    assert all(row["updated_at"] for row in found[-left:])
    assert not any(row["updated_at"] for row in found[:-left])
    notes = {lane.stream: lane.notes for lane in summary.vendors[0].streams if lane.notes}
    due = {kind: sum(not row["updated_at"] for row in there(warehouse, kind)) for kind in notes}
    assert notes == {kind: [f"{number} details are left for the next run"] for kind, number in due.items()}
    assert clock.slept == []
    clock.move(HOUR)
    run()
    assert sandbox.requests.count("/*/*", vendor="leedo", status=200) == 2 * left


def lists_of(sandbox: Sandbox) -> list[int]:
    return [len(pages(sandbox, kind)) for kind in ("leads", "contacts", "accounts", "campaigns")]


@duckdb_only
def test_details_that_the_vendor_does_not_have(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, setting: Setting
) -> None:
    sandbox.leedo.crm.bulk_leads(0)
    sandbox.leedo.options.requests_per_hour = None
    setting("requests_per_hour", 5000)
    setting("details", True)
    sandbox.faults.add("status", status=404, path="/contacts/*", times=None)
    # a row that is gone since it was listed is no trouble
    sandbox.faults.add("status", status=404, path="/accounts/*", nth=2)
    summary = run()
    assert sandbox.requests.count("/contacts/*", vendor="leedo") == 1
    notes = {lane.stream: lane.notes for lane in summary.vendors[0].streams if lane.notes}
    assert notes == {"contacts": ["/contacts/<id> answered 404: details of contacts are left out"]}
    assert sum(not row["updated_at"] for row in there(warehouse, "accounts")) == 1
    assert all(row["updated_at"] for row in there(warehouse, "leads"))
    sandbox.faults.add("status", status=403, path="/accounts/*")
    assert ended(run(expect=1)) == {"campaigns": "ok", "contacts": "ok", "accounts": "failed", "leads": "ok"}


# -- new rows only -----------------------------------------------------------------------------------------------------


@duckdb_only
def test_incremental_reads_as_far_as_it_is_new(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting
) -> None:
    setting("incremental", True)
    sandbox.leedo.options.requests_per_hour = 18
    setting("requests_per_hour", 18)
    run()
    assert pages(sandbox, "leads") == [*range(1, 11)]
    assert_equal(warehouse, sandbox)
    clock.move(HOUR)
    sandbox.leedo.crm.remove_crm_rows("leads", 1)
    added = sandbox.leedo.crm.add_crm_rows("leads", 150)
    sandbox.requests.clear()
    run()
    assert lists_of(sandbox) == [2, 1, 1, 1]
    assert set(added) <= {row["id"] for row in there(warehouse, "leads")}
    assert not [row for row in rows_of(warehouse, "leedo", "leads") if row["deleted_at"]]


@duckdb_only
def test_incremental_goes_on_where_it_stopped(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting
) -> None:
    run(streams=frozenset({"leads"}))
    setting("incremental", True)
    added = []
    for _ in range(9):
        clock.move(timedelta(minutes=1))
        added += sandbox.leedo.crm.add_crm_rows("leads", 50)
    sandbox.leedo.options.requests_per_hour = 4
    setting("requests_per_hour", 4)
    for expect in (1, 0):
        clock.move(HOUR)
        sandbox.requests.clear()
        run(expect=expect, streams=frozenset({"leads"}))
    # the first page is the run's first request
    assert pages(sandbox, "leads") == [1, 4, 5]
    assert set(added) <= {row["id"] for row in there(warehouse, "leads")}


@pytest.mark.parametrize("order", ["oldest", "random"])
@duckdb_only
def test_incremental_reads_on_where_the_order_is_another(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, setting: Setting, order: Any
) -> None:
    setting("incremental", True)
    sandbox.leedo.options.order = order
    for _ in range(2):
        sandbox.leedo.options.requests_per_hour = None
        setting("requests_per_hour", 100)
        run()
        sandbox.leedo.crm.add_crm_rows("leads", 5)
        clock.move(HOUR)
    assert len(pages(sandbox, "leads")) == 2 * 10
