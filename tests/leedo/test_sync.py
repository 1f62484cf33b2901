"""Leedo through the whole house: every row of every table is what the vendor holds, whatever happens to it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest

from pipelines.status import status
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.leedo import leedo
from sources.leedo.known import History, Known
from sources.leedo.tables import LEADS
from sources.pii import Pii
from tests.conftest import FakeClock
from tests.leedo.conftest import Run
from tests.leedo.oracle import COLUMNS, Oracle
from tests.reading import Rows, dump, in_order, rows_of

Serve = Callable[..., Sandbox]
Setting = Callable[[str, object], None]

duckdb_only = pytest.mark.parametrize("destination", ["duckdb"])


def small(clock: FakeClock) -> World:
    return World(days=6, accounts=1, visits_per_day=0, clock=clock.epoch)


@pytest.fixture
def sandbox(serve: Serve, clock: FakeClock) -> Sandbox:
    return serve(small(clock), limits=False)


def there(warehouse: Warehouse, kind: str) -> Rows:
    return [row for row in rows_of(warehouse, "leedo", kind) if row["deleted_at"] is None]


def assert_same(warehouse: Warehouse, sandbox: Sandbox, kind: str) -> None:
    expected = in_order(Oracle(sandbox).listed(kind))
    assert in_order({name: row[name] for name in COLUMNS[kind]} for row in there(warehouse, kind)) == expected
    assert expected


def assert_equal(warehouse: Warehouse, sandbox: Sandbox) -> None:
    """The warehouse holds what the vendor holds, and one lasting status of each lead."""
    for kind in COLUMNS:
        assert_same(warehouse, sandbox, kind)
    states = rows_of(warehouse, "leedo", "lead_status_history")
    lasting = {row["lead_id"]: row["status"] for row in states if row["valid_to"] is None}
    assert lasting == {row["id"]: row["status"] for row in there(warehouse, "leads")}
    assert rows_of(warehouse, "leedo", "unfinished_walks") == []


def history(warehouse: Warehouse, lead: str) -> list[tuple[Any, ...]]:
    states = [row for row in rows_of(warehouse, "leedo", "lead_status_history") if row["lead_id"] == lead]
    return [(r["status"], r["valid_from"], r["valid_to"]) for r in sorted(states, key=lambda r: r["valid_from"])]


def test_first_load_equals_the_vendor(warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock) -> None:
    summary = run()
    asked = sandbox.requests.count(vendor="leedo")
    assert_equal(warehouse, sandbox)
    lanes = {lane.stream: lane for lane in summary.vendors[0].streams}
    assert {(name, lane.rows) for name, lane in lanes.items()} == {(k, len(there(warehouse, k))) for k in COLUMNS}
    # each request is counted once, the first of all as well
    assert sum(lane.requests for lane in lanes.values()) == asked == sum(-(-n.rows // 100) for n in lanes.values())
    assert [line.rows for line in status(warehouse, clock.now())] == [lane.rows for lane in lanes.values()]


def test_second_run_changes_nothing(warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock) -> None:
    run()
    before = dump(warehouse, "leedo")
    loads = warehouse.query("SELECT count(*) FROM leedo._dlt_loads")
    clock.move(timedelta(seconds=1))
    run()
    assert dump(warehouse, "leedo") == before
    # one load for all lists, with the state alone
    assert warehouse.query("SELECT count(*) FROM leedo._dlt_loads")[0][0] <= loads[0][0] + 1


def test_time_passes(warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock) -> None:
    run()
    first, crm = clock.now(), sandbox.leedo.crm
    lead, gone, back = (row["id"] for row in there(warehouse, "leads")[:3])
    status_before = {row["id"]: row["status"] for row in there(warehouse, "leads")}
    crm.change_crm_row("leads", lead, status="lost")
    kept = crm.rows["leads"].pop(back)
    crm.remove_crm_rows("leads", [gone])
    account = there(warehouse, "accounts")[0]["id"]
    crm.remove_crm_rows("accounts", [account])
    crm.change_crm_row("contacts", there(warehouse, "contacts")[0]["id"], email="new@example.com")
    (new,) = crm.add_crm_rows("leads", 1, status="new")
    clock.move(timedelta(days=1))
    run()
    second = clock.now()
    assert_equal(warehouse, sandbox)
    marked = {
        row["id"]: row["deleted_at"]
        for kind in COLUMNS
        for row in rows_of(warehouse, "leedo", kind)
        if row["deleted_at"]
    }
    assert marked == dict.fromkeys((gone, back, account), second)
    assert history(warehouse, lead) == [(status_before[lead], first, second), ("lost", second, None)]
    assert history(warehouse, gone) == [(status_before[gone], first, second)]
    assert history(warehouse, new) == [("new", second, None)]

    crm.rows["leads"][back] = kept
    clock.move(timedelta(hours=1))
    run()
    assert_equal(warehouse, sandbox)
    assert [when for _, when, _ in history(warehouse, back)] == [first, clock.now()]
    assert history(warehouse, gone) == [(status_before[gone], first, second)]


def test_states_that_change_in_one_instant_are_told_apart() -> None:
    now = datetime(2026, 3, 18, tzinfo=UTC)
    history = History([])
    for state in ("one", "two", None, "two", "two"):
        history.note("a", state, now)
    tick = timedelta(microseconds=1)
    assert history.changes().to_pylist() == [
        {"lead_id": "a", "status": "one", "valid_from": now, "valid_to": now + tick},
        {"lead_id": "a", "status": "two", "valid_from": now + tick, "valid_to": now + 2 * tick},
        {"lead_id": "a", "status": "two", "valid_from": now + 3 * tick, "valid_to": None},
    ]
    assert history.changes().num_rows == 0


@duckdb_only
def test_fresh_machine_goes_on(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    before = dump(warehouse, "leedo")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "another machine"))
    run()
    assert dump(warehouse, "leedo") == before


@duckdb_only
def test_only_streams_asked_for(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    run(streams=frozenset({"lead_status_history"}), accounts=frozenset({"6001"}))
    assert {seen.path for seen in sandbox.requests.find(vendor="leedo")} == {"/leads"}
    assert there(warehouse, "leads")


@duckdb_only
def test_new_fields_become_columns(warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock) -> None:
    run()
    crm = sandbox.leedo.crm
    one, other = (row["id"] for row in there(warehouse, "campaigns")[:2])
    crm.change_crm_row("campaigns", one, utmContent="spring", owner={"id": 7})
    run()
    rows = {row["id"]: row for row in there(warehouse, "campaigns")}
    assert (rows[one]["utm_content"], rows[one]["owner"]) == ("spring", '{"id":7}')
    assert rows[other]["utm_content"] is None
    # a change of nothing but such a field is a change, and an empty one is empty
    crm.change_crm_row("campaigns", one, utmContent="summer", owner=None)
    run()
    row = next(row for row in there(warehouse, "campaigns") if row["id"] == one)
    assert (row["utm_content"], row["owner"]) == ("summer", None)
    before = dump(warehouse, "leedo")
    run()
    assert dump(warehouse, "leedo") == before


@pytest.mark.parametrize(
    ("order", "add", "remove"), [("newest", 3, 0), ("newest", 0, 3), ("oldest", 0, 3), ("random", 2, 5)]
)
@duckdb_only
def test_rows_that_move_while_they_are_read(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock, order: Any, add: int, remove: int
) -> None:
    sandbox.leedo.options.order = order
    run()
    for kind in ("contacts", "accounts"):
        sandbox.leedo.move_during_walk(kind, 1, add, remove)
    clock.move(timedelta(minutes=1))
    run()
    assert_equal(warehouse, sandbox)
    assert len([row for row in rows_of(warehouse, "leedo", "contacts") if row["deleted_at"]]) == remove


@duckdb_only
def test_rows_that_keep_moving(warehouse: Warehouse, sandbox: Sandbox, run: Run, clock: FakeClock) -> None:
    run()
    before = there(warehouse, "contacts")
    sandbox.faults.add("shift_page", path="/contacts", page=2, times=3)
    clock.move(timedelta(minutes=1))
    summary = run(expect=1)
    (failed,) = [lane for lane in summary.vendors[0].streams if lane.status == "failed"]
    assert failed.stream == "contacts"
    assert "rows moved while they were read" in str(failed.error)
    # nothing is marked on the word of such a walk
    assert there(warehouse, "contacts") == before
    run()
    assert_equal(warehouse, sandbox)


@pytest.mark.parametrize(
    "options",
    [
        {"max_per_page": 50},
        {"past_end": "repeat"},
        {"past_end": 404},
        {"default_per_page": 7},
    ],
    ids=str,
)
@duckdb_only
def test_what_the_document_leaves_open(
    warehouse: Warehouse, sandbox: Sandbox, run: Run, setting: Setting, options: dict[str, Any]
) -> None:
    setting("requests_per_hour", 5000)
    for name, value in options.items():
        setattr(sandbox.leedo.options, name, value)
    if "default_per_page" in options:
        setting("per_page_parameter", "limit")
        setting("requests_per_hour", 500)
    sandbox.leedo.move_during_walk("contacts", 1, remove=170)
    run()
    assert_equal(warehouse, sandbox)


@duckdb_only
def test_parameters_that_the_vendor_does_not_know(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.leedo.options.ignores_paging = True
    summary = run(expect=1)
    errors = {lane.stream: str(lane.error) for lane in summary.vendors[0].streams if lane.status == "failed"}
    assert set(errors) == {"accounts", "contacts"}
    assert "page 2 is the page before it: 20 of " in errors["contacts"]
    assert "sources.leedo.page_parameter" in errors["contacts"]
    assert len(there(warehouse, "contacts")) == 20


@duckdb_only
def test_lists_fail_alone(warehouse: Warehouse, sandbox: Sandbox, run: Run) -> None:
    sandbox.faults.add("status", status=403, path="/campaigns", times=None)
    sandbox.faults.add("status", status=500, path="/accounts", times=None)
    summary = run(expect=1)
    ended = {lane.stream: lane.status for lane in summary.vendors[0].streams}
    assert ended == {"campaigns": "failed", "accounts": "failed", "contacts": "ok", "leads": "ok"}
    assert sandbox.requests.count("/campaigns", vendor="leedo") == 1
    sandbox.faults.clear()
    run()
    assert_equal(warehouse, sandbox)


@duckdb_only
def test_a_wrong_token_is_tried_once(sandbox: Sandbox, run: Run, setting: Setting) -> None:
    setting("api_token", "wrong")
    summary = run(expect=1)
    assert "answered 401 (Invalid or missing API token); check the key" in str(summary.vendors[0].error)
    assert sandbox.requests.count(vendor="leedo") == 1


@duckdb_only
def test_a_token_that_is_revoked_on_the_way(sandbox: Sandbox, run: Run) -> None:
    sandbox.faults.add("status", status=401, path="/accounts", times=None)
    summary = run(expect=1)
    assert {lane.stream for lane in summary.vendors[0].streams if lane.status == "failed"} == {"accounts", "leads"}
    assert sandbox.requests.count("/leads", vendor="leedo") == 0


@pytest.mark.parametrize("name", ["html", "wrong_shape"])
@duckdb_only
def test_passing_troubles_leave_no_trace(warehouse: Warehouse, sandbox: Sandbox, run: Run, name: str) -> None:
    sandbox.faults.add(name, path="/contacts", times=2, nth=2)
    run()
    assert not sandbox.faults.pending
    assert_equal(warehouse, sandbox)


def test_in_a_pipeline_of_somebodys_own(sandbox: Sandbox, clock: FakeClock, setting: Setting, tmp_path: Path) -> None:
    setting("requests_per_hour", 5000)
    pipeline = dlt.pipeline("mine", destination=dlt.destinations.duckdb(str(tmp_path / "mine.duckdb")))
    lead = sandbox.leedo.crm.add_crm_rows("leads", 1, status="new")[0]
    query = f"SELECT status, valid_to IS NULL FROM lead_status_history WHERE lead_id = '{lead}' ORDER BY valid_from"
    for state in ("new", "lost", "lost"):
        sandbox.leedo.crm.change_crm_row("leads", lead, status=state)
        pipeline.run(leedo(), loader_file_format="parquet")
    with pipeline.sql_client() as client:
        assert client.execute_sql(query) == [("new", False), ("lost", True)]


# -- personal data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["hash", "drop"])
def test_personal_data_is_compared_as_it_is_kept(policy: Any) -> None:
    now = datetime(2026, 3, 18, tzinfo=UTC)
    items = [{"id": "1", "name": "Ann", "email": "ann@example.com", "status": "new"}, {"id": "2"}]
    detail = items[0] | {"phone": "+1", "updated_at": "2026-03-01T00:00:00Z"}

    def written(known: Known) -> Rows:
        return [row for item in known.changes() for row in item.data.to_pylist()]

    plain = Known(LEADS, [], Pii())
    plain.listed(items, now)
    plain.detailed(detail, now)
    # what was loaded in the clear before is not written again in the clear
    cleaned = Known(LEADS, written(plain), Pii(policy, "a secret"))
    cleaned.listed(items, now)
    (row,) = written(cleaned)
    told = [row[name] for name in ("name", "email", "phone")]
    assert all(len(value) == 64 for value in told) if policy == "hash" else told == [None, None, None]
    # and from then on it is what is known
    known = Known(LEADS, [row, plain.rows["2"]], Pii(policy, "a secret"))
    known.listed(items, now)
    assert written(known) == []
    known.detailed(detail, now)
    written(known)
    known.listed([items[0] | {"status": "lost"}], now)
    (row,) = written(known)
    assert ([row[name] for name in ("name", "email", "phone")], row["status"]) == (told, "lost")
