"""Syncs against the sandbox: the warehouse must hold what an independent reading of the vendor finds."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.sync import Summary, sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from tests.conftest import FakeClock
from tests.reading import Rows, dump, in_order, rows_of

from . import oracle

Run = Callable[..., Summary]
Serve = Callable[..., Sandbox]
State = tuple[Any, ...]


def assert_equal(warehouse: Warehouse, sandbox: Sandbox) -> None:
    """The tables as they are, and the states that last."""
    expected = oracle.connections(sandbox)
    found = rows_of(warehouse, "leadsie", "connections")
    assets: Rows = []
    ids = {tuple(row[name] for name in oracle.IDENTITY): row["connection_id"] for row in found}
    assert len(set(ids.values())) == len(found) == len(expected)
    for row in expected:
        row["connection_id"] = ids[tuple(row[name] for name in oracle.IDENTITY)]
        assets += [{"connection_id": row["connection_id"], **asset} for asset in row["assets"]]
    assert picked(found, expected) == in_order(without(row, "assets") for row in expected)
    assert picked(rows_of(warehouse, "leadsie", "connection_assets"), assets) == in_order(assets)
    lasting = {key for key, ends in states(warehouse) if ends is None}
    of_assets = {
        (
            asset["connection_id"],
            asset["type"],
            asset["id"],
            None,
            asset["name"],
            asset["connection_status"],
            asset["message"] or asset["notes"],
            asset["time"],
        )
        for asset in assets
    }
    of_connections = {
        (r["connection_id"], None, None, r["custom_user_id"], r["request_name"], r["status"], None, None)
        for r in expected
    }
    assert lasting == of_assets | of_connections


def picked(found: Rows, expected: Rows) -> Rows:
    """What was found, in the columns that are expected."""
    names = set(expected[0]) - {"assets"} if expected else set()
    return in_order({name: row[name] for name in names} for row in found)


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def states(warehouse: Warehouse) -> list[tuple[State, Any]]:
    names = ("connection_id", "asset_type", "asset_id", "custom_user_id", "name", "status", "message", "time")
    rows = rows_of(warehouse, "leadsie", "connection_status_history")
    return [(tuple(row[name] for name in names), row["valid_to"]) for row in rows]


def test_time_passes(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve()
    grants = sandbox.leadsie.grants
    mine = grants.add_connection(company=3, custom_user_id="mine", assets=2)
    run()
    assert_equal(warehouse, sandbox)
    before = states(warehouse)
    assert {ends for _, ends in before} == {None}

    clock.move(timedelta(days=6))
    broken, gone = oracle.connections(sandbox)[0]["assets"][0]["id"], oracle.connections(sandbox)[1]["request_url"]
    grants.break_asset(broken)
    grants.remove_connection(gone)
    grants.return_as(mine, "another")
    grants.add_asset(mine)
    # on another machine
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "another machine"))
    run()
    assert_equal(warehouse, sandbox)
    after = states(warehouse)
    # no state is lost, and what was unchanged lasts from the first sync on
    assert {state for state, _ in before} <= {state for state, _ in after}
    assert len(after) == len(set(after)) > len(before)
    ended = {state for state, ends in after if ends is not None}
    assert {state[3] for state in ended} >= {"mine"}
    assert {state[2] for state in ended} >= {broken}

    # the newer words for the same things, and a user as text: the same connections
    ids = {row["connection_id"] for row in rows_of(warehouse, "leadsie", "connections")}
    sandbox.leadsie.options.vocabulary, sandbox.leadsie.options.user = "new", "text"
    run()
    assert_equal(warehouse, sandbox)
    assert {row["connection_id"] for row in rows_of(warehouse, "leadsie", "connections")} == ids
    held = dump(warehouse, "leadsie")
    run()
    assert dump(warehouse, "leadsie") == held


def test_clients_tell_the_same(serve: Serve, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = serve()
    sandbox.leadsie.options.vocabulary = "new"
    monkeypatch.setenv("SOURCES__LEADSIE__CLIENTS", "true")
    warehouse = Warehouse("duckdb", clock=clock)
    summary = sync(warehouse, vendors=["leadsie"], clock=clock)
    assert summary.exit_code == 0
    assert_equal(warehouse, sandbox)
    clients = {row["client_id"] for row in rows_of(warehouse, "leadsie", "connections")}
    assert None not in clients
    assert summary.vendors[0].streams[0].requests == len(clients) + 1


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "status", "status": 503, "times": 3},
        {"name": "status", "status": 429, "retry_after": 7, "times": 2},
        {"name": "html", "times": 2},
        {"name": "wrong_shape", "times": 2},
        {"name": "short_body", "times": 2},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_passing_troubles_leave_no_trace(serve: Serve, clock: FakeClock, fault: dict[str, Any]) -> None:
    sandbox = serve()
    details = dict(fault)
    sandbox.faults.add(details.pop("name"), vendor="leadsie", **details)
    warehouse = Warehouse("duckdb", clock=clock)
    summary = sync(warehouse, vendors=["leadsie"], clock=clock)
    assert summary.exit_code == 0, summary.as_dict()
    assert not sandbox.faults.pending
    assert summary.vendors[0].streams[0].retries == fault["times"]
    assert_equal(warehouse, sandbox)


def test_one_request_a_second(serve: Serve, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = serve()
    sandbox.leadsie.options.requests_per_second = 1
    monkeypatch.setenv("SOURCES__LEADSIE__CUSTOM_USER_IDS", ",".join(f"customer-{n}" for n in range(9)))
    began = clock.monotonic()
    assert sync(Warehouse("duckdb", clock=clock), vendors=["leadsie"], clock=clock).exit_code == 0
    assert sandbox.requests.count(vendor="leadsie", status=429) == 0
    assert 9 <= clock.monotonic() - began < 12
