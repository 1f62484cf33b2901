"""Both shapes of the vendor's answer, through the whole pipeline: every value of every table."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from pipelines.sync import Summary
from pipelines.warehouse import Warehouse
from sources.leadsie.connections import connection_id
from sources.windows import Days
from tests.conftest import FakeClock
from tests.reading import Rows, dump, in_order, rows_of

from .documented import NEWER, OLDER, Documented

Run = Callable[..., Summary]
duckdb_only = pytest.mark.parametrize("destination", ["duckdb"])

ONE, TWO = connection_id(OLDER), connection_id(NEWER)
GRANTED, REFUSED = datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
INVITED = datetime(2026, 3, 3, 8, 0, 0, 123_000, tzinfo=UTC)
CONNECTIONS: Rows = [
    {
        "connection_id": ONE,
        "user_id": "7",
        "custom_user_id": "customer-1",
        "request_url": "https://app.leadsie.io/connect/2088405878138352/manage",
        "request_name": "Marketing access",
        "access_level": "admin",
        "status": "PARTIAL_SUCCESS",
        "last_asset_time": REFUSED,
        "client_id": None,
        "client_name": None,
        "client_summary_url": None,
        "api_version": None,
        "something_new": None,
    },
    {
        "connection_id": TWO,
        "user_id": "8",
        "custom_user_id": None,
        "request_url": "https://app.leadsie.io/connect/3/manage",
        "request_name": "3",
        "access_level": "view",
        "status": "SUCCESS",
        "last_asset_time": INVITED,
        "client_id": None,
        "client_name": "Bakery",
        "client_summary_url": "https://app.leadsie.com/client/c8",
        "api_version": "2",
        "something_new": '{"a":1}',
    },
]
OF_NEWER = (
    "connection_status notes access_level platform was_initial_grant_successful status_last_checked_at link_to_asset "
    "assigned_users connected_account was_invited_by_email mood"
).split()
ASSETS: Rows = [
    {
        "connection_id": ONE,
        "type": "Ad Account",
        "id": "1001",
        "name": "Shop",
        "is_success": True,
        "message": "Successfully connected",
        "time": GRANTED,
        "invite_sent_to": None,
        **dict.fromkeys(OF_NEWER),
    },
    {
        "connection_id": ONE,
        "type": "Page",
        "id": "1001",
        "name": "Shop",
        "is_success": False,
        "message": "You need to be an admin",
        "time": REFUSED,
        "invite_sent_to": None,
        **dict.fromkeys(OF_NEWER),
    },
    {
        "connection_id": TWO,
        "type": "Google Ads Account",
        "id": "2002",
        "name": "Bakery",
        "is_success": None,
        "message": None,
        "time": INVITED,
        "connection_status": "In progress",
        "notes": "Not accepted yet",
        "access_level": "ViewOnly",
        "platform": "Google",
        "was_initial_grant_successful": False,
        "status_last_checked_at": datetime(2026, 3, 4, tzinfo=UTC),
        "link_to_asset": "https://ads.example/2002",
        "assigned_users": [{"id": "1", "name": "Ann Other"}],
        "connected_account": {"id": "5", "name": "ann@example.com"},
        "was_invited_by_email": True,
        "invite_sent_to": None,
        "mood": "good",
    },
]


def state(connection: int, asset: int | None, **said: Any) -> dict[str, Any]:
    row = CONNECTIONS[connection]
    own = {name: row[name] for name in ("connection_id", "user_id", "request_url", "access_level")}
    place = {"asset_type": None, "asset_id": None, "custom_user_id": None, "message": None, "time": None}
    if asset is not None:
        place |= {"asset_type": ASSETS[asset]["type"], "asset_id": ASSETS[asset]["id"], "time": ASSETS[asset]["time"]}
    return {**own, **place, "status": None, "valid_to": None, **said}


HISTORY: Rows = [
    state(0, None, custom_user_id="customer-1", name="Marketing access", status="PARTIAL_SUCCESS", is_success=False),
    state(0, 0, name="Shop", is_success=True, message="Successfully connected"),
    state(0, 1, name="Shop", is_success=False, message="You need to be an admin"),
    state(1, None, name="3", status="SUCCESS", is_success=True),
    state(1, 2, name="Bakery", status="In progress", is_success=False, message="Not accepted yet"),
]


def history(warehouse: Warehouse) -> Rows:
    """The history's rows without what tells states apart; when they began is checked to be there."""
    rows = rows_of(warehouse, "leadsie", "connection_status_history")
    assert len({(row.pop("version"), row["valid_from"]) for row in rows}) == len(rows)
    assert all(row.pop("valid_from") is not None for row in rows)
    return in_order(rows)


def test_every_value_lands_in_its_column(vendor: Documented, run: Run, warehouse: Warehouse) -> None:
    vendor.shows(OLDER, NEWER)

    run()

    assert rows_of(warehouse, "leadsie", "connections") == in_order(CONNECTIONS)
    assert rows_of(warehouse, "leadsie", "connection_assets") == in_order(ASSETS)
    assert history(warehouse) == in_order(HISTORY)


def test_the_history_tells_when_it_broke_and_when_it_came_back(
    vendor: Documented, run: Run, warehouse: Warehouse, clock: FakeClock
) -> None:
    def asset() -> list[tuple[bool, bool]]:
        """Whether each state of the first asset is a success, and whether it lasts; oldest first."""
        rows = rows_of(warehouse, "leadsie", "connection_status_history")
        mine = sorted((r for r in rows if r["asset_type"] == "Ad Account"), key=lambda row: row["valid_from"])
        for before, after in pairwise(mine):
            assert before["valid_from"] < before["valid_to"] == after["valid_from"]
        return [(row["is_success"], row["valid_to"] is None) for row in mine]

    vendor.shows(OLDER, NEWER)
    run()
    broken = copy.deepcopy(OLDER)
    broken["connectionAssets"][0] |= {"isSuccess": False, "message": "Access was removed"}
    vendor.shows(broken, NEWER)
    run()
    assert asset() == [(True, False), (False, True)]
    # the very state of before is a new row
    vendor.shows(OLDER, NEWER)
    run()
    assert asset() == [(True, False), (False, False), (True, True)]
    # nothing else has changed, and so has no second row
    assert len(history(warehouse)) == len(HISTORY) + 2
    before = dump(warehouse, "leadsie")
    loads = warehouse.query("SELECT count(*) FROM leadsie._dlt_loads")
    clock.move(timedelta(days=1))
    run()
    assert dump(warehouse, "leadsie") == before
    assert warehouse.query("SELECT count(*) FROM leadsie._dlt_loads") == loads
    # a connection that is gone ends with its assets, and the other one stays as it was
    vendor.shows(NEWER)
    run()
    assert rows_of(warehouse, "leadsie", "connections") == in_order(CONNECTIONS[1:])
    assert rows_of(warehouse, "leadsie", "connection_assets") == in_order(ASSETS[2:])
    assert [row["connection_id"] for row in history(warehouse) if row["valid_to"] is None] == [TWO, TWO]
    # and so does the last one
    vendor.shows()
    run()
    assert rows_of(warehouse, "leadsie", "connections") == rows_of(warehouse, "leadsie", "connection_assets") == []
    rows = rows_of(warehouse, "leadsie", "connection_status_history")
    assert len(rows) == len(HISTORY) + 2
    assert all(row["valid_to"] for row in rows)


@duckdb_only
def test_another_custom_user_id_is_another_state_of_the_same_connection(
    vendor: Documented, run: Run, warehouse: Warehouse
) -> None:
    vendor.shows(OLDER)
    run()
    vendor.shows(OLDER | {"customUserId": "customer-2", "user": "7"})
    run()

    (row,) = rows_of(warehouse, "leadsie", "connections")
    assert row == {name: CONNECTIONS[0][name] for name in row} | {"custom_user_id": "customer-2"}
    own = [(row["custom_user_id"], row["valid_to"] is None) for row in history(warehouse) if row["asset_id"] is None]
    assert sorted(own) == [("customer-1", False), ("customer-2", True)]
    # its assets are as they were
    assert len(history(warehouse)) == 4


@duckdb_only
@pytest.mark.parametrize("pii", ["hash", "drop"])
def test_personal_data_stays_out_and_keys_are_what_they_were(
    vendor: Documented, run: Run, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, pii: str
) -> None:
    monkeypatch.setenv("SOURCES__LEADSIE__PII", pii)
    monkeypatch.setenv("SOURCES__LEADSIE__PII_KEY", "a long random text")
    invited = copy.deepcopy(OLDER)
    invited["connectionAssets"][0]["inviteSentTo"] = "bo@example.com"
    vendor.shows(invited, NEWER)
    run()

    found = dump(warehouse, "leadsie")
    text = json.dumps(found, default=str)
    assert not [personal for personal in ("customer-1", "Ann", "example.com", "customer") if personal in text]
    assert {row["connection_id"] for row in found["connections"]} == {ONE, TWO}
    keys = ("connection_id", "type", "id", "name", "time")
    assert in_order({key: row[key] for key in keys} for row in found["connection_assets"]) == in_order(
        {key: row[key] for key in keys} for row in ASSETS
    )
    hashed = {row["custom_user_id"] for row in found["connections"]}
    assert hashed == {row["custom_user_id"] for row in found["connection_status_history"]}
    assert len(hashed) == (2 if pii == "hash" else 1)
    # what is not loaded is no other state
    loads = warehouse.query("SELECT count(*) FROM leadsie._dlt_loads")
    vendor.shows(invited | {"customUserId": "CUSTOMER-1 " if pii == "hash" else "somebody else"}, NEWER)
    run()
    assert warehouse.query("SELECT count(*) FROM leadsie._dlt_loads") == loads


@duckdb_only
def test_days_and_accounts_have_no_meaning(
    vendor: Documented, run: Run, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADSIE__ACCOUNT_IDS", "6001")
    monkeypatch.setenv("SOURCES__LEADSIE__START_DATE", "2026-03-10")
    vendor.shows(OLDER, NEWER)
    run(days=Days(date(2025, 1, 1), date(2025, 1, 2)), accounts=frozenset({"4711"}))
    assert rows_of(warehouse, "leadsie", "connections") == in_order(CONNECTIONS)
