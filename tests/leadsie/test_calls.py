"""What is asked of the vendor, what is made of its refusals, and where the key must not be."""

import copy
import json
import logging
import re
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.check import check
from pipelines.status import status
from pipelines.sync import Summary
from pipelines.warehouse import Warehouse
from sources.errors import AnswerError, SourceError
from sources.leadsie import open_run, settings
from sources.leadsie.connections import united
from sources.ledger import MemoryLedger
from tests.conftest import FakeClock
from tests.reading import rows_of

from .documented import KEY, NEWER, OLDER, Documented

Run = Callable[..., Summary]


@pytest.fixture
def destination() -> str:
    """None of this depends on it."""
    return "duckdb"


def connections(warehouse: Warehouse) -> dict[str, Any]:
    """User → customUserId."""
    return {row["user_id"]: row["custom_user_id"] for row in rows_of(warehouse, "leadsie", "connections")}


def refusal(clock: FakeClock) -> str:
    """What the first call of a run fails with, as its user reads it."""
    with pytest.raises(SourceError) as raised, closing(open_run(settings(), clock=clock, ledger=MemoryLedger())) as run:
        run.accounts  # noqa: B018
    return str(raised.value)


def error_of(summary: Summary) -> str:
    (vendor,) = summary.vendors
    return vendor.error or str(vendor.streams[0].error)


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__LEADSIE__CUSTOM_USER_IDS", "customer-1,customer-2")


def test_one_call_that_names_nobody(vendor: Documented, run: Run, warehouse: Warehouse) -> None:
    vendor.shows(OLDER, NEWER)
    summary = run()
    assert [(method, path, body) for method, path, body, _ in vendor.asked] == [
        ("POST", "/api/checkUserStatus", {"apiKey": KEY})
    ]
    assert summary.vendors[0].streams[0].requests == 1
    assert connections(warehouse) == {"7": "customer-1", "8": None}


@pytest.mark.usefixtures("ids")
def test_one_more_for_each_id_and_all_united(
    vendor: Documented, run: Run, warehouse: Warehouse, clock: FakeClock
) -> None:
    nobodys = {name: value for name, value in OLDER.items() if name != "customUserId"}
    vendor.shows(nobodys, NEWER)
    vendor.shows(nobodys, to="customer-1")
    vendor.shows(OLDER | {"user": 9, "customUserId": "customer-2"}, to="customer-2")
    began = clock.monotonic()
    run()
    assert vendor.named == [None, "customer-1", "customer-2"]
    # the call that named it says whose it is; one request a second
    assert connections(warehouse) == {"7": "customer-1", "8": None, "9": "customer-2"}
    assert clock.monotonic() - began >= 2


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("refused", [400, 403, 404, 422])
def test_the_call_that_names_nobody_may_be_refused(
    vendor: Documented, run: Run, warehouse: Warehouse, refused: int
) -> None:
    vendor.answers[None] = (refused, {"error": "customUserId is required"})
    vendor.answers["customer-1"] = (404, {"error": "no such user"})
    vendor.shows(NEWER, to="customer-2")
    run()
    assert connections(warehouse) == {"8": "customer-2"}
    assert vendor.named == [None, "customer-1", "customer-2"]


@pytest.mark.parametrize("refused", [400, 403, 404, 422])
def test_refused_without_ids_is_an_error_that_names_the_setting(
    vendor: Documented, clock: FakeClock, refused: int
) -> None:
    vendor.answers[None] = (refused, {"error": "customUserId is required"})
    text = refusal(clock)
    assert "customUserId is required" in text
    assert "sources.leadsie.custom_user_ids" in text


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("refused", [(404, 404), (400, 400), (200, 400), (200, 403)])
def test_what_is_refused_otherwise_is_an_error(
    vendor: Documented, run: Run, warehouse: Warehouse, refused: tuple[int, int]
) -> None:
    nobody, named = refused
    vendor.answers[None] = (nobody, {"allConnections": [NEWER]} if nobody == 200 else {"error": "no"})
    for name in ("customer-1", "customer-2"):
        vendor.answers[name] = (named, {"error": "what it says"})
    assert "what it says" in error_of(run(expect=1))
    assert warehouse.query("SELECT * FROM leadsie.connections") == []


def test_a_wrong_key_is_said_once(vendor: Documented, clock: FakeClock) -> None:
    vendor.answers[None] = (401, {"error": f"Invalid API key {KEY}"})
    assert "Invalid API key ***" in refusal(clock)
    assert len(vendor.asked) == 1
    assert [finding.says for finding in check("duckdb", clock) if finding.subject == "leadsie"] == [
        "/api/checkUserStatus answered 401 (Invalid API key ***); check the key"
    ]


def test_check_makes_the_first_call(vendor: Documented, clock: FakeClock) -> None:
    vendor.shows(OLDER)
    found = next(finding for finding in check("duckdb", clock) if finding.subject == "leadsie")
    assert (found.ok, len(vendor.asked)) == (True, 1)
    assert found.says.endswith("streams: connections")


@pytest.mark.parametrize(
    "document",
    [
        {"error": f"The key {KEY} is too old"},
        {"error": {"message": f"The key {KEY} is too old"}, "allConnections": []},
        {"message": f"The key {KEY} is too old"},
        {"errors": [f"The key {KEY} is too old"]},
        {"allConnections": None},
        {"allConnections": {"user": 1}},
        {"allConnections": ["user"]},
        {},
        [],
        "allConnections",
    ],
    ids=lambda document: json.dumps(document).replace(KEY, "…"),
)
def test_an_error_with_status_200_is_no_empty_list(vendor: Documented, clock: FakeClock, document: Any) -> None:
    vendor.answers[None] = (200, document)
    text = refusal(clock)
    assert KEY not in text
    assert ("The key *** is too old" in text) == (KEY in json.dumps(document))
    assert "allConnections" in text


def test_what_is_loaded_stays_where_an_error_comes_with_status_200(
    vendor: Documented, run: Run, warehouse: Warehouse
) -> None:
    vendor.shows(OLDER)
    run()
    vendor.answers[None] = (200, {"error": "come back later", "allConnections": []})
    run(expect=1)
    assert connections(warehouse) == {"7": "customer-1"}


def test_a_message_beside_an_empty_list_is_no_error(vendor: Documented, run: Run, warehouse: Warehouse) -> None:
    vendor.answers[None] = (200, {"allConnections": [], "message": "Nobody has connected yet"})
    run()
    assert connections(warehouse) == {}


def test_the_key_is_nowhere_though_the_vendor_says_it_back(
    vendor: Documented, run: Run, house: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echoed = copy.deepcopy(OLDER) | {"apiKey": KEY, "debug": {KEY: [f"asked with {KEY}"]}}
    echoed["connectionAssets"][0]["message"] = f"asked with {KEY}"
    vendor.shows(echoed)
    summary = run()
    vendor.answers[None] = (500, {"error": f"no {KEY}"})
    failed = run(expect=1)
    assert "no ***" in error_of(failed)
    assert KEY not in json.dumps([summary.as_dict(), failed.as_dict()], default=str)
    assert KEY not in caplog.text
    files = [path for path in house.parent.rglob("*") if path.is_file()]
    assert [path.name for path in files if path.suffix == ".duckdb"]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    # it is in the body only
    assert all(KEY not in json.dumps(headers) for *_, headers in vendor.asked)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"user": None, "requestUrl": None, "accessLevel": None}, "neither user nor requestUrl"),
        ({"connectionAssets": {"id": 1}}, "not a list"),
        ({"connectionAssets": ["x"]}, "not a list of objects"),
        ({"connectionAssets": [{"type": "Page", "id": "1", "time": "soon"}]}, "no instant"),
        ({"connectionAssets": [{"id": "1"}]}, "no type"),
    ],
)
def test_what_cannot_be_read_is_an_error(change: dict[str, Any], says: str) -> None:
    with pytest.raises(AnswerError, match=says):
        united([OLDER | change])


def test_what_may_be_missing(vendor: Documented, run: Run, warehouse: Warehouse) -> None:
    failed = {"type": "Pixel", "isSuccess": False}
    vendor.shows({"user": 5, "status": "FAILED"}, {"user": 6, "connectionAssets": [failed, failed | {"name": "Shop"}]})
    run()
    assert connections(warehouse) == {"5": None, "6": None}
    assert [row["id"] for row in rows_of(warehouse, "leadsie", "connection_assets")] == ["Shop", "none"]


def test_the_same_connection_twice_is_one_row_with_the_newest_of_each_asset(
    vendor: Documented, run: Run, warehouse: Warehouse
) -> None:
    first, second = copy.deepcopy(OLDER), copy.deepcopy(OLDER)
    first["connectionAssets"][0] |= {"message": "older", "time": "2026-02-01"}
    first |= {"status": "FAILED", "customUserId": None}
    second["connectionAssets"].pop(1)
    second["connectionAssets"][0] |= {"message": "newer", "time": "2026-03-05T00:00:00Z"}
    # whatever their order
    for shown in ((first, second), (second, first)):
        vendor.shows(*shown)
        run()
        (row,) = rows_of(warehouse, "leadsie", "connections")
        assert (row["status"], row["custom_user_id"]) == ("PARTIAL_SUCCESS", "customer-1")
        assets = {row["type"]: row["message"] for row in rows_of(warehouse, "leadsie", "connection_assets")}
        assert assets == {"Ad Account": "newer", "Page": "You need to be an admin"}


def test_an_asset_that_is_listed_twice_is_what_it_was_last() -> None:
    asset = OLDER["connectionAssets"][0]
    listed = [asset, asset | {"message": "before", "time": "2026-02-01"}, asset | {"message": "undated", "time": None}]
    (row,) = united([OLDER | {"connectionAssets": listed}])
    assert row["connectionAssets"] == [asset]


def test_the_position_is_the_days_of_the_assets(
    vendor: Documented, run: Run, warehouse: Warehouse, clock: FakeClock
) -> None:
    def loaded() -> list[tuple[date | None, date | None]]:
        return [(line.loaded_from, line.loaded_until) for line in status(warehouse, clock.now())]

    vendor.shows()
    run()
    assert loaded() == [(None, None)]
    vendor.shows(OLDER)
    run()
    assert loaded() == [(date(2026, 3, 1), date(2026, 3, 2))]
    # what is gone takes nothing of it back, and no gap is in the way
    later = copy.deepcopy(NEWER)
    later["connectionAssets"][0]["time"] = "2026-03-17T23:30:00-01:00"
    vendor.shows(later)
    run()
    assert loaded() == [(date(2026, 3, 1), date(2026, 3, 18))]


# -- clients -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clients(vendor: Documented, monkeypatch: pytest.MonkeyPatch) -> Documented:
    monkeypatch.setenv("SOURCES__LEADSIE__CLIENTS", "true")
    vendor.pages["/api/clients"] = (200, {"clients": [{"clientId": "c/7", "clientName": "Shop"}, {"id": 8}]})
    vendor.pages["/api/client/c%2F7"] = (200, {"clientId": "c/7", "allConnections": [OLDER]})
    vendor.pages["/api/client/8"] = (200, {"allConnections": [NEWER]})
    return vendor


def test_clients_fill_the_same_tables(clients: Documented, run: Run, warehouse: Warehouse) -> None:
    run()
    assert [(method, path) for method, path, *_ in clients.asked] == [
        ("GET", "/api/clients"), ("GET", "/api/client/c%2F7"), ("GET", "/api/client/8"),
    ]  # fmt: skip
    assert all(headers["X-Api-Key"] == KEY and not body for _, _, body, headers in clients.asked)
    rows = rows_of(warehouse, "leadsie", "connections")
    assert {(row["user_id"], row["client_id"], row["client_name"]) for row in rows} == {
        ("7", "c/7", "Shop"), ("8", "8", "Bakery"),
    }  # fmt: skip
    assert len(rows_of(warehouse, "leadsie", "connection_assets")) == 3


def test_paths_and_header_can_be_set(
    clients: Documented, run: Run, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADSIE__CLIENTS_PATH", "/v2/all")
    monkeypatch.setenv("SOURCES__LEADSIE__CLIENT_PATH", "/v2/one/{id}/details")
    monkeypatch.setenv("SOURCES__LEADSIE__CLIENTS_HEADER", "Authorization: Bearer {key}")
    clients.pages = {
        "/v2/all": (200, [{"clientId": "1"}]),
        "/v2/one/1/details": (200, {"allConnections": [NEWER]}),
    }
    run()
    assert connections(warehouse) == {"8": None}
    assert {headers["Authorization"] for *_, headers in clients.asked} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(("path", "setting"), [("/api/clients", "clients_path"), ("/api/client/8", "client_path")])
def test_a_path_that_is_not_there_names_its_setting(clients: Documented, run: Run, path: str, setting: str) -> None:
    del clients.pages[path]
    assert f"sources.leadsie.{setting}" in error_of(run(expect=1))


@pytest.mark.parametrize("document", [{"error": "no"}, {"clients": [{}]}, {"clients": {}}, "x"], ids=str)
def test_clients_that_cannot_be_read(clients: Documented, clock: FakeClock, document: Any) -> None:
    clients.pages["/api/clients"] = (200, document)
    assert re.search("no list of clients|no clientId", refusal(clock))


@pytest.mark.parametrize(("setting", "part"), [("CLIENT_PATH", "{id}"), ("CLIENTS_HEADER", "{key}")])
def test_a_setting_without_its_place_is_refused(
    vendor: Documented, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, setting: str, part: str
) -> None:
    monkeypatch.setenv(f"SOURCES__LEADSIE__{setting}", "nothing")
    assert re.search(f"sources.leadsie.{setting.lower()} is 'nothing'.*{part}", refusal(clock))
    assert vendor.asked == []
