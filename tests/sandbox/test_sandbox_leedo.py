"""Leedo is held to its document, and its CRM to the story."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox import Sandbox, World
from sandbox.crm import Crm
from tests.sandbox.client import Api, Clock

LIST_KEYS = {
    "leads": ["id", "name", "email", "company", "status", "created_at"],
    "accounts": ["id", "name", "industry", "website", "created_at"],
    "contacts": ["id", "name", "email", "role", "account_id", "created_at"],
    "campaigns": ["id", "name", "status", "leads_count", "created_at"],
}
DETAIL_KEYS = {
    "leads": ["id", "name", "email", "company", "phone", "status", "created_at", "updated_at"],
    "accounts": [*LIST_KEYS["accounts"], "updated_at"],
    "contacts": [*LIST_KEYS["contacts"], "updated_at"],
    "campaigns": [*LIST_KEYS["campaigns"], "updated_at"],
}


class Leedo:
    def __init__(self, sandbox: Sandbox) -> None:
        self.base = sandbox.base_urls["leedo"]
        self.crm = sandbox.leedo.crm
        self.options = sandbox.leedo.options
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.options.token}"

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.base + path, params=params, timeout=5)

    def ok(self, path: str, **params: Any) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, path: str, **params: Any) -> list[str]:
        return [row["id"] for row in self.ok(path, **params)["data"]]

    def walk(self, path: str, size: int = 100) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        page, total = 0, 1
        while page * size < total:
            page += 1
            answer = self.ok(path, page=page, per_page=size)
            total = answer["meta"]["total"]
            rows += answer["data"]
        return rows


@pytest.fixture
def leedo(sandbox: Sandbox) -> Iterator[Leedo]:
    client = Leedo(sandbox)
    yield client
    client.session.close()


@pytest.mark.parametrize("kind", list(LIST_KEYS))
def test_shapes(leedo: Leedo, kind: str) -> None:
    page = leedo.ok(f"/{kind}")
    assert list(page) == ["data", "meta"]
    assert page["meta"] == {"total": len(leedo.walk(f"/{kind}")), "page": 1, "per_page": 20}
    for row in page["data"]:
        assert list(row) == LIST_KEYS[kind]
    detail = leedo.ok(f"/{kind}/{row['id']}")
    assert list(detail) == DETAIL_KEYS[kind]
    assert detail.items() >= row.items()
    assert datetime.fromisoformat(detail["updated_at"]) >= datetime.fromisoformat(detail["created_at"])
    assert len(detail["created_at"]) == len("2025-10-01T12:00:00Z")


def test_only_what_has_happened(leedo: Leedo, clock: Clock) -> None:
    before = {row["id"]: row for row in leedo.walk("/leads")}
    now = datetime.fromtimestamp(clock(), UTC)
    for kind in LIST_KEYS:
        for row in leedo.walk(f"/{kind}"):
            assert datetime.fromisoformat(leedo.ok(f"/{kind}/{row['id']}")["updated_at"]) <= now
    clock.sleep(4 * 86_400)
    after = {row["id"]: row for row in leedo.walk("/leads")}
    assert before.keys() < after.keys()
    moved = [row_id for row_id in before if before[row_id]["status"] != after[row_id]["status"]]
    assert moved
    assert all(leedo.ok(f"/leads/{row_id}")["updated_at"] > after[row_id]["created_at"] for row_id in moved)


def test_a_longer_story_changes_no_day() -> None:
    clock = Clock()
    short, longer = Crm(World(days=7, clock=clock)), Crm(World(days=40, clock=clock))
    for kind in ("leads", "accounts"):
        known = {row["id"] for row in map(longer.show, longer.listed(kind, "oldest"))}
        assert {row["id"] for row in map(short.show, short.listed(kind, "oldest"))} < known
    leads = {row["id"]: row for row in map(longer.show, longer.listed("leads", "newest"))}
    assert all(leads[row["id"]] == row for row in map(short.show, short.listed("leads", "newest")))


def test_one_story(leedo: Leedo, api: Api) -> None:
    visitors = set()
    for account in ("6001", "6002"):
        rows = api.walk(f"/accounts/{account}/leads", "2025-06-03", "2025-06-30")
        visitors |= {row["attributes"]["website_url"].removeprefix("https://www.") for row in rows}
    accounts = {row["id"]: row["website"].removeprefix("https://") for row in leedo.walk("/accounts")}
    leads = [row["email"].partition("@")[2] for row in leedo.walk("/leads")]
    assert len(accounts) == len(set(accounts.values()))
    assert visitors & set(accounts.values())
    assert visitors - set(accounts.values())
    strangers = {leedo.crm.world.company(number).domain for number in range(2_900, 2_920)}
    assert strangers <= set(accounts.values()) - visitors
    assert visitors & set(leads) - set(accounts.values())
    contacts = leedo.walk("/contacts")
    assert {row["account_id"] for row in contacts} == set(accounts)
    assert all(row["email"].endswith(f"@{accounts[row['account_id']]}") for row in contacts)


def test_campaigns_count_their_leads(leedo: Leedo) -> None:
    counts = [row["leads_count"] for row in leedo.walk("/campaigns")]
    assert 0 < sum(counts) <= len(leedo.walk("/leads"))


def test_converted_leads_are_contacts_of_an_account(leedo: Leedo) -> None:
    names = {row["name"] for row in leedo.walk("/contacts")}
    converted = [row for row in leedo.walk("/leads") if row["status"] == "converted"]
    assert converted
    assert all(row["name"] in names for row in converted)


def test_paging(leedo: Leedo) -> None:
    every = leedo.walk("/contacts")
    assert len({row["id"] for row in every}) == len(every)
    assert every == leedo.walk("/contacts", size=7)
    assert leedo.ok("/contacts", page=2)["data"] == every[20:40]
    capped = leedo.ok("/contacts", per_page=500)
    assert (len(capped["data"]), capped["meta"]["per_page"]) == (100, 100)
    leedo.options.max_per_page = 50
    assert leedo.ok("/contacts", per_page=100)["meta"] == {"total": len(every), "page": 1, "per_page": 50}


def test_past_the_end(leedo: Leedo) -> None:
    total = leedo.ok("/leads")["meta"]["total"]
    assert leedo.ok("/leads", page=99) == {"data": [], "meta": {"total": total, "page": 99, "per_page": 20}}
    leedo.options.past_end = "repeat"
    last = -(-total // 20)
    assert leedo.ids("/leads", page=99) == leedo.ids("/leads", page=last) != []
    leedo.options.past_end = 404
    assert leedo.get("/leads", page=last).status_code == 200
    assert leedo.get("/leads", page=last + 1).status_code == 404


def test_a_vendor_that_knows_no_paging(leedo: Leedo) -> None:
    leedo.options.ignores_paging = True
    first = leedo.ok("/leads")
    assert leedo.ok("/leads", page=3, per_page=100) == first
    assert first["meta"]["per_page"] == len(first["data"]) == 20


def test_orders(leedo: Leedo) -> None:
    def created() -> list[str]:
        return [row["created_at"] for row in leedo.walk("/leads", size=9)]

    newest = created()
    assert newest == sorted(newest, reverse=True)
    leedo.options.order = "oldest"
    assert created() == newest[::-1]
    leedo.options.order = "random"
    assert sorted(created()) == newest[::-1] != created()
    assert created() == created()


@pytest.mark.parametrize("params", [{"page": 0}, {"page": "two"}, {"per_page": 0}, {"per_page": "-1"}])
def test_wrong_arguments(leedo: Leedo, params: dict[str, Any]) -> None:
    answer = leedo.get("/leads", **params)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_token_and_unknown_paths(leedo: Leedo) -> None:
    for header in ("Bearer wrong", f"Token token={leedo.options.token}", ""):
        answer = requests.get(f"{leedo.base}/leads", headers={"Authorization": header}, timeout=5)
        assert (answer.status_code, answer.json()) == (401, {"error": "Invalid or missing API token"})
    for path in ("/nothing", "/leads/nobody", "/leads/b0000000-0000-4000-8000-nobody", "/accounts/1", "/"):
        assert leedo.get(path).status_code == 404
    assert leedo.session.post(f"{leedo.base}/leads", json={}, timeout=5).status_code == 405


def test_hourly_limit(clock: Clock) -> None:
    with Sandbox(World(days=7, clock=clock)) as sandbox:
        leedo = Leedo(sandbox)
        turn = int(clock()) // 3600 * 3600 + 3600
        first = leedo.get("/leads")
        assert {name: first.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")} == {
            "Limit": "100",
            "Remaining": "99",
            "Reset": str(turn),
        }
        for _ in range(98):
            leedo.get("/leads", per_page=1)
        assert leedo.get("/leads/nobody").headers["X-RateLimit-Remaining"] == "0"
        refused = leedo.get("/accounts")
        assert (refused.status_code, refused.json()) == (429, {"error": "Rate limit exceeded"})
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        leedo.options.reset_unit = "seconds"
        assert leedo.get("/accounts").headers["X-RateLimit-Reset"] == str(turn - int(clock()))
        clock.sleep(turn - clock() - 1)
        assert leedo.get("/accounts").status_code == 429
        clock.sleep(1)
        assert leedo.get("/accounts").headers["X-RateLimit-Remaining"] == "99"
        leedo.options.requests_per_hour = None
        assert "X-RateLimit-Limit" not in leedo.get("/accounts").headers
        leedo.session.close()


def test_rows_come_change_and_go(leedo: Leedo, clock: Clock) -> None:
    [lead] = leedo.crm.add_crm_rows("leads", name="Ada Byron", email="ada@engine.example")
    assert leedo.ids("/leads")[0] == lead
    clock.sleep(60)
    leedo.crm.change_crm_row("leads", lead, status="qualified", email="ada@analytical.example", score=7)
    row = leedo.ok(f"/leads/{lead}")
    assert (row["name"], row["status"], row["email"], row["score"]) == (
        "Ada Byron", "qualified", "ada@analytical.example", 7,
    )  # fmt: skip
    assert (row["created_at"], row["updated_at"]) == ("2025-06-30T12:00:30Z", "2025-06-30T12:01:30Z")
    [account] = leedo.crm.add_crm_rows("accounts")
    [contact] = leedo.crm.add_crm_rows("contacts", account_id=account)
    assert leedo.ok(f"/contacts/{contact}")["account_id"] == account
    [campaign] = leedo.crm.add_crm_rows("campaigns")
    assert leedo.ok(f"/campaigns/{campaign}")["leads_count"] == 0
    total = leedo.ok("/leads")["meta"]["total"]
    assert leedo.crm.remove_crm_rows("leads") == [lead]
    assert leedo.get(f"/leads/{lead}").status_code == 404
    assert leedo.ok("/leads")["meta"]["total"] == total - 1
    with pytest.raises(ValueError, match="no such row of leads"):
        leedo.crm.remove_crm_rows("leads", [lead])
    # a campaign that was changed goes on counting
    for row in leedo.walk("/campaigns"):
        leedo.crm.change_crm_row("campaigns", row["id"], name="Renamed")
    clock.sleep(7 * 86_400)
    assert sum(row["leads_count"] for row in leedo.walk("/campaigns")) > 0


def test_rows_move_between_pages(leedo: Leedo, sandbox: Sandbox) -> None:
    before = leedo.walk("/leads", size=10)
    sandbox.leedo.move_during_walk("leads", after_page=2, add=3)
    rows = [row["id"] for row in leedo.walk("/leads", size=10)]
    assert (len(rows), len(set(rows))) == (len(before) + 3, len(before))
    sandbox.leedo.move_during_walk("leads", after_page=1, remove=4)
    walked = {row["id"] for row in leedo.walk("/leads", size=10)}
    missed = {row["id"] for row in leedo.walk("/leads", size=10)} - walked
    assert len(missed) == 4
    sandbox.faults.add("repeat_page", path="/leads", page=2)
    assert leedo.ids("/leads") == leedo.ids("/leads", page=2)


@pytest.mark.parametrize("order", ["newest", "oldest", "random"])
def test_bulk(leedo: Leedo, order: Any) -> None:
    story = leedo.ok("/leads")["meta"]["total"]
    leedo.crm.bulk_leads(50_000)
    leedo.options.order = order
    assert leedo.ok("/leads")["meta"]["total"] == 50_000 + story
    seen = [row for page in (1, 250, 500) for row in leedo.ok("/leads", page=page, per_page=100)["data"]]
    assert len({row["id"] for row in seen}) == 300
    row = leedo.ok("/leads", page=300, per_page=100)["data"][0]
    assert leedo.ok(f"/leads/{row['id']}").items() >= row.items()
    leedo.crm.change_crm_row("leads", row["id"], status="lost")
    assert leedo.ok("/leads", page=300, per_page=100)["data"][0] == row | {"status": "lost"}
    leedo.crm.remove_crm_rows("leads", [row["id"]])
    assert leedo.get(f"/leads/{row['id']}").status_code == 404
    assert leedo.ok("/leads")["meta"]["total"] == 50_000 + story - 1


def test_from_another_process(leedo: Leedo, sandbox: Sandbox) -> None:
    def act(action: str, **arguments: Any) -> Any:
        answer = requests.post(f"{sandbox.url}/_sandbox/{action}", json=arguments, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    [lead] = act("add_crm_rows", kind="leads", status="new")
    act("change_crm_row", kind="leads", row_id=lead, status="qualified")
    assert leedo.ok(f"/leads/{lead}")["status"] == "qualified"
    act("options", vendor="leedo", order="oldest")
    assert leedo.options.order == "oldest"
    act("move_during_walk", kind="leads", add=2)
    before = leedo.ok("/leads")["meta"]["total"]
    assert leedo.ok("/leads")["meta"]["total"] == before + 2
    act("remove_crm_rows", kind="leads", which=2)
    act("bulk_leads", n=10)
    assert leedo.ok("/leads")["meta"]["total"] == before + 10
    settings = sandbox.settings()
    assert settings["SOURCES__LEEDO__API_TOKEN"] == leedo.options.token
    assert settings["SOURCES__LEEDO__BASE_URL"] == leedo.base
