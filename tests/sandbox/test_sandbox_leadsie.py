"""Leadsie is held to its document, and its grants to the story."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox import Sandbox, World
from sandbox.grants import Grants
from tests.sandbox.client import Api, Clock

CONNECTION = ["user", "customUserId", "requestUrl", "requestName", "accessLevel", "status", "connectionAssets"]
ASSET = ["type", "name", "id", "isSuccess", "message", "time"]


class Leadsie:
    def __init__(self, sandbox: Sandbox) -> None:
        self.base = sandbox.base_urls["leadsie"]
        self.grants = sandbox.leadsie.grants
        self.options = sandbox.leadsie.options

    def ask(self, **body: Any) -> requests.Response:
        body = {"apiKey": self.options.api_key, **body}
        return requests.post(f"{self.base}/api/checkUserStatus", json=body, timeout=5)

    def connections(self, **body: Any) -> list[dict[str, Any]]:
        answer = self.ask(**body)
        assert answer.status_code == 200, answer.text
        assert list(answer.json()) == ["allConnections"]
        rows: list[dict[str, Any]] = answer.json()["allConnections"]
        return rows

    def one(self, request_url: str) -> dict[str, Any]:
        [row] = [row for row in self.connections() if row["requestUrl"] == request_url]
        return row

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.base + path, headers=headers or {"X-Api-Key": self.options.api_key}, timeout=5)


@pytest.fixture
def leadsie(sandbox: Sandbox) -> Leadsie:
    return Leadsie(sandbox)


@pytest.fixture
def granted(leadsie: Leadsie) -> str:
    """A connection of a test's own, named by its requestUrl."""
    return leadsie.grants.add_connection(company=3, custom_user_id="mine", assets=2)


def test_shapes(leadsie: Leadsie) -> None:
    rows = leadsie.connections()
    assert {tuple(row) for row in rows} == {
        tuple(CONNECTION),
        tuple(each for each in CONNECTION if each != CONNECTION[1]),
    }
    assert {row["accessLevel"] for row in rows} == {"view", "admin"}
    assert {row["status"] for row in rows} == {"SUCCESS", "PARTIAL_SUCCESS", "FAILED"}
    assert all(type(row["user"]) is int for row in rows)
    assets = [asset for row in rows for asset in row["connectionAssets"]]
    assert {tuple(asset) for asset in assets} == {tuple(ASSET)}
    assert {asset["type"] for asset in assets} == {"Ad Account", "Page", "Pixel", "Instagram Account", "Catalog"}
    assert {(type(asset["isSuccess"]), type(asset["id"]), type(asset["message"])) for asset in assets} == {
        (bool, str, str)
    }
    for row in rows:
        succeeded = {asset["isSuccess"] for asset in row["connectionAssets"]}
        assert row["status"] == {(True,): "SUCCESS", (False,): "FAILED"}.get(tuple(succeeded), "PARTIAL_SUCCESS")


def test_connections_can_be_told_apart(leadsie: Leadsie) -> None:
    rows = leadsie.connections()
    assert len({(row["user"], row["requestUrl"], row["accessLevel"]) for row in rows}) == len(rows)
    assert len({row["user"] for row in rows}) < len(rows)
    for row in rows:
        ids = [asset["id"] for asset in row["connectionAssets"]]
        assert len(set(ids)) == len(ids)
    # a request without a name is called by its id
    unnamed = [row for row in rows if row["requestName"].isdigit()]
    assert 0 < len(unnamed) < len(rows)
    assert all(f"/{row['requestName']}/" in row["requestUrl"] for row in unnamed)


def test_requests_name_the_company(leadsie: Leadsie, granted: str) -> None:
    company = leadsie.grants.world.company(3)
    named = [row["requestName"] for row in leadsie.connections() if row.get("customUserId") == company.domain]
    assert f"{company.name}: marketing access" in [*named, leadsie.one(granted)["requestName"]]


def test_only_what_has_happened(leadsie: Leadsie, clock: Clock) -> None:
    def states() -> dict[tuple[str, str], tuple[str, bool]]:
        return {
            (row["requestUrl"], asset["id"]): (asset["time"], asset["isSuccess"])
            for row in leadsie.connections()
            for asset in row["connectionAssets"]
        }

    before = states()
    now = datetime.fromtimestamp(clock(), UTC)
    assert all(datetime.fromisoformat(time) <= now for time, _ in before.values())
    clock.sleep(14 * 86_400)
    after = states()
    assert before.keys() < after.keys()
    changed = [key for key in before if before[key] != after[key]]
    assert changed
    assert all(before[key][0] < after[key][0] and before[key][1] is not after[key][1] for key in changed)


def test_a_longer_story_changes_no_day() -> None:
    clock = Clock()
    short, longer = Grants(World(days=7, clock=clock)), Grants(World(days=40, clock=clock))
    known = {each.request_url: each for each in longer.connections()}
    for each in short.connections():
        same = known[each.request_url]
        assert (each.user, each.assets, each.custom_user_ids) == (same.user, same.assets, same.custom_user_ids)
    assert len(short.connections()) < len(known)


def test_one_story(leadsie: Leadsie, sandbox: Sandbox, api: Api) -> None:
    rows = api.walk("/accounts/6001/leads", "2025-06-03", "2025-06-30")
    visitors = {row["attributes"]["website_url"].removeprefix("https://www.") for row in rows}
    granted = {row["customUserId"] for row in leadsie.connections() if "customUserId" in row}
    assert visitors & granted
    assert visitors - granted
    accounts = {
        sandbox.leedo.crm.show(entry)["website"].removeprefix("https://")
        for entry in sandbox.leedo.crm.listed("accounts", "newest")
    }
    assert granted & accounts
    assert granted - accounts


def test_custom_user_id(leadsie: Leadsie, granted: str) -> None:
    assert [row["requestUrl"] for row in leadsie.connections(customUserId="mine")] == [granted]
    assert leadsie.connections(customUserId="nobody's") == []
    leadsie.grants.return_as(granted, "new")
    assert leadsie.connections(customUserId="mine") == []
    assert [row["requestUrl"] for row in leadsie.connections(customUserId="new")] == [granted]
    leadsie.grants.return_as(granted, None)
    assert "customUserId" not in leadsie.one(granted)
    leadsie.options.without_custom_user_id = "error"
    answer = leadsie.ask()
    assert (answer.status_code, answer.json()) == (400, {"error": "customUserId is required"})
    leadsie.grants.return_as(granted, "new")
    assert leadsie.connections(customUserId="new") != []


def test_users_as_text(leadsie: Leadsie) -> None:
    numbers = [row["user"] for row in leadsie.connections()]
    leadsie.options.user = "text"
    assert [row["user"] for row in leadsie.connections()] == [str(number) for number in numbers]


def test_newer_vocabulary(leadsie: Leadsie) -> None:
    old = leadsie.connections()
    leadsie.options.vocabulary = "new"
    new = leadsie.connections()
    for before, after in zip(old, new, strict=True):
        assert {name: before[name] for name in before if name != "connectionAssets"}.items() <= after.items()
        assert after["apiVersion"] == 2
        assert {"clientName", "clientSummaryUrl"} <= set(after)
    assets = [asset for row in new for asset in row["connectionAssets"]]
    assert not any({"isSuccess", "message"} & set(asset) for asset in assets)
    assert {asset["connectionStatus"] for asset in assets} == {
        "Connected", "In progress", "Unknown", "Insufficient permissions", "Not Connected",
    }  # fmt: skip
    assert all(asset["time"].endswith(".000Z") for asset in assets)
    assert all(("notes" in asset) == (asset["connectionStatus"] != "Connected") for asset in assets)
    assert len({asset["type"] for asset in assets}) > 5
    assert {"wasInitialGrantSuccessful", "statusLastCheckedAt", "linkToAsset", "assignedUsers"} <= set(assets[0])


def test_assets_break_and_are_fixed(leadsie: Leadsie, granted: str, clock: Clock) -> None:
    row = leadsie.one(granted)
    assert row["status"] == "SUCCESS"
    broken, other = (asset["id"] for asset in row["connectionAssets"])
    clock.sleep(60)
    leadsie.grants.break_asset(broken)
    row = leadsie.one(granted)
    assert row["status"] == "PARTIAL_SUCCESS"
    assert [(asset["isSuccess"], asset["message"], asset["time"]) for asset in row["connectionAssets"]] == [
        (False, "Access was removed", "2025-06-30T12:01:30Z"),
        (True, "Successfully connected", "2025-06-30T12:00:30Z"),
    ]
    leadsie.grants.break_asset(other, "The account is disabled")
    assert leadsie.one(granted)["status"] == "FAILED"
    leadsie.options.vocabulary = "new"
    assert leadsie.one(granted)["connectionAssets"][1]["connectionStatus"] == "Unknown"
    clock.sleep(60)
    leadsie.grants.fix_asset(other)
    fixed = leadsie.one(granted)["connectionAssets"][1]
    assert (fixed["connectionStatus"], fixed["time"]) == ("Connected", "2025-06-30T12:02:30.000Z")
    added = leadsie.grants.add_asset(granted)
    assert [asset["id"] for asset in leadsie.one(granted)["connectionAssets"]] == [broken, other, added]
    leadsie.grants.remove_connection(granted)
    assert leadsie.connections(customUserId="mine") == []
    with pytest.raises(ValueError, match="no such connection"):
        leadsie.grants.add_asset(granted)
    with pytest.raises(ValueError, match="no such asset: 'x'"):
        leadsie.grants.break_asset("x")


def test_key(leadsie: Leadsie) -> None:
    url = f"{leadsie.base}/api/checkUserStatus"
    key = leadsie.options.api_key
    # it is in the body, and nowhere else
    for answer in (
        leadsie.ask(apiKey="wrong"),
        requests.post(url, timeout=5),
        requests.post(url, json=[], timeout=5),
        requests.post(url, json={}, headers={"X-Api-Key": key, "Authorization": f"Bearer {key}"}, timeout=5),
        requests.post(url, params={"apiKey": key}, timeout=5),
        leadsie.get("/api/clients", Authorization="Bearer wrong"),
    ):
        assert (answer.status_code, answer.json()) == (401, {"error": "Invalid API key"})
    assert requests.post(url, data="apiKey", timeout=5).status_code == 400
    for headers in ({"X-Api-Key": key}, {"Authorization": f"Bearer {key}"}):
        assert leadsie.get("/api/clients", **headers).status_code == 200
    assert leadsie.get(f"/api/clients?apiKey={key}", Accept="*/*").status_code == 200


def test_clients(leadsie: Leadsie, granted: str) -> None:
    clients = leadsie.get("/api/clients").json()["clients"]
    assert {tuple(client) for client in clients} == {("clientId", "clientName", "clientSummaryUrl", "customUserIds")}
    served: list[dict[str, Any]] = []
    for client in clients:
        answer = leadsie.get(f"/api/client/{client['clientId']}").json()
        assert answer.items() >= client.items()
        served += answer["allConnections"]
    assert sorted(served, key=str) == sorted(leadsie.connections(), key=str)
    mine = leadsie.get("/api/client/mine").json()
    assert granted in [row["requestUrl"] for row in mine["allConnections"]]
    assert "mine" in mine["customUserIds"]
    assert leadsie.get("/api/client/nobody").status_code == 404
    leadsie.options.clients = False
    assert leadsie.get("/api/clients").status_code == leadsie.get("/api/client/mine").status_code == 404
    assert leadsie.connections()


def test_unknown_paths_and_methods(leadsie: Leadsie) -> None:
    assert leadsie.get("/api/nothing").json() == {"error": "Not Found"}
    assert leadsie.get("/api/checkUserStatus").status_code == 405


def test_rate_limit(clock: Clock) -> None:
    with Sandbox(World(days=7, clock=clock)) as sandbox:
        leadsie = Leadsie(sandbox)
        assert {leadsie.ask().status_code for _ in range(20)} == {200}
        clock.sleep(1)
        leadsie.options.requests_per_second = 2
        assert [leadsie.ask().status_code for _ in range(3)] == [200, 200, 429]
        assert leadsie.ask().json() == {"error": "Too Many Requests"}
        clock.sleep(1)
        assert leadsie.ask().status_code == 200


def test_from_another_process(leadsie: Leadsie, sandbox: Sandbox) -> None:
    def act(action: str, **arguments: Any) -> Any:
        answer = requests.post(f"{sandbox.url}/_sandbox/{action}", json=arguments, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    made = act("add_connection", company=5, custom_user_id="theirs", access_level="view")
    asset = act("add_asset", request_url=made, message="The platform did not answer")
    assert leadsie.one(made)["status"] == "PARTIAL_SUCCESS"
    act("fix_asset", asset_id=asset)
    assert leadsie.one(made)["status"] == "SUCCESS"
    act("break_asset", asset_id=asset)
    act("return_as", request_url=made, custom_user_id="theirs too")
    assert leadsie.connections(customUserId="theirs too") == [leadsie.one(made)]
    act("remove_connection", request_url=made)
    act("options", vendor="leadsie", vocabulary="new")
    assert leadsie.connections()[0]["apiVersion"] == 2
    sandbox.faults.add("status", status=503, vendor="leadsie")
    assert leadsie.ask().json() == {"error": "Service Unavailable"}
    settings = sandbox.settings()
    assert settings["SOURCES__LEADSIE__API_KEY"] == leadsie.options.api_key
    assert settings["SOURCES__LEADSIE__BASE_URL"] == leadsie.base
