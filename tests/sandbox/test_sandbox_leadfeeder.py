"""The `/v1` API is held to what is known of it, and to the token API's story."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.sandbox.client import Api, Clock
from tests.sandbox.v1_client import V1

DAY = "2025-06-25"
WEEK = ("2025-06-19", "2025-06-25")
ASKED = {"start_date": WEEK[0], "end_date": WEEK[1]}


@pytest.fixture
def v1(sandbox: Sandbox) -> Iterator[V1]:
    client = V1(sandbox)
    yield client
    client.session.close()


def domain(company: dict[str, Any]) -> str:
    return str(company["attributes"]["url"]).removeprefix("https://www.")


def test_accounts_are_one_answer_whatever_page_is_asked_for(v1: V1) -> None:
    answer = v1.ok("/accounts", account_id=None, **{"page[num]": 7, "page[size]": 1})
    assert answer["data"] == [
        {"id": "6001", "type": "account_summary", "attributes": {"name": "Aurinko Analytics"}},
        {"id": "6002", "type": "account_summary", "attributes": {"name": "Hudson Metrics"}},
        {"id": "6003", "type": "account_summary", "attributes": {"name": "Deccan Insights"}},
    ]
    assert set(answer["meta"]) == {"request_id"}


def test_one_account_has_credits(v1: V1, sandbox: Sandbox) -> None:
    sandbox.leadfeeder.options.credits["6002"] = 5
    row = v1.ok("/accounts", account_id="6002")["data"]
    assert row == [
        {
            "id": "6002",
            "type": "account",
            "attributes": {
                "name": "Hudson Metrics",
                "credits": {"available": 5, "used": 0, "remaining": 5, "next_reset_on": "2025-07-01"},
            },
        }
    ]


def test_every_answer_has_a_request_id_of_its_own(v1: V1) -> None:
    answers = [v1.post("/web-visits", ASKED) for _ in range(3)]
    answers += [v1.get("/tags"), v1.get("/accounts"), v1.get("/nothing"), v1.get("/tags", account_id="1")]
    ids = [answer.json()["meta"]["request_id"] for answer in answers]
    assert len(set(ids)) == len(answers)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in ids)


@pytest.mark.parametrize("account", ["6001", "6002", "6003"])
def test_the_visits_are_the_token_api_s(v1: V1, api: Api, sandbox: Sandbox, account: str) -> None:
    sandbox.leadfeeder_legacy.options.day_zone = "utc"
    legacy = {row["id"]: row["attributes"] for row in api.walk(f"/accounts/{account}/visits", *WEEK)}
    leads = {row["id"]: row["attributes"] for row in api.walk(f"/accounts/{account}/leads", *WEEK)}
    visits = v1.visits(*WEEK, account_id=account, include="company")
    assert [row["id"] for row in visits] == list(legacy)
    for row in visits:
        mine, theirs = row["attributes"], legacy[row["id"]]
        assert mine["started_at"] == theirs["started_at"].replace(".000Z", "Z")
        for name in ("visit_length", "page_depth", "source", "medium", "device_type"):
            assert mine[name] == theirs[name]
        for name in ("campaign", "keyword", "referring_url"):
            assert mine.get(name) == theirs[name]
            assert mine.get(name, "") is not None
        assert [(each["page"]["path"], each["page"]["title"], each["page"]["url"], each["time_on_page"])
                for each in mine["engagements"]] == [
            (page["page_path"], page["page_title"], page["page_url"], page["time_on_page"])
            for page in theirs["visit_route"]
        ]  # fmt: skip
        assert mine["landing_page_path"] == theirs["visit_route"][0]["page_path"]
        lead = leads[theirs["lead_id"]]
        assert row["relationships"]["company"]["attributes"]["url"] == lead["website_url"]
        assert row["relationships"]["company"]["attributes"]["name"] == lead["name"]
        assert row["relationships"]["location"]["attributes"]["country_code"] == theirs["country_code"]


def test_days_are_utc_s(v1: V1) -> None:
    for account in ("6002", "6003"):
        days = Counter(row["attributes"]["started_at"][:10] for row in v1.visits(*WEEK, account_id=account))
        assert (min(days), max(days)) == WEEK
        assert len(v1.visits(DAY, DAY, account_id=account)) == days[DAY]


def test_a_visit(v1: V1) -> None:
    assert "attributes" in v1.visits(DAY, DAY, include="company")[0]["relationships"]["company"]
    row = v1.visits(DAY, DAY)[0]
    assert set(row) == {"id", "type", "attributes", "relationships"}
    assert row["type"] == "web_visit"
    company, location = row["relationships"]["company"], row["relationships"]["location"]
    assert set(company) == {"id", "type"}
    assert company["id"].isdecimal()
    assert company["type"] == "company"
    assert location["type"] == "location"
    assert isinstance(location["id"], str)
    assert set(location["attributes"]) == {"country", "country_code", "region", "city", "state_code"}


def test_relationships_can_be_wrapped(v1: V1, sandbox: Sandbox) -> None:
    bare = v1.visits(DAY, DAY, include="company")
    feeds = v1.ok("/web-visits/custom-feeds", include="folder")["data"]
    sandbox.leadfeeder.options.relationships = "data"
    for before, after in zip(bare, v1.visits(DAY, DAY, include="company"), strict=True):
        assert after["relationships"] == {name: {"data": each} for name, each in before["relationships"].items()}
    for before, after in zip(feeds, v1.ok("/web-visits/custom-feeds", include="folder")["data"], strict=True):
        assert after["relationships"] == {name: {"data": each} for name, each in before["relationships"].items()}


def test_pages(v1: V1, sandbox: Sandbox) -> None:
    answer = v1.ok("/web-visits", ASKED)
    total = answer["meta"]["pagination"]["total_count"]
    assert len(answer["data"]) == 20
    assert answer["meta"]["pagination"] == {"page_num": 1, "page_count": -(-total // 20), "total_count": total}
    rows = v1.visits(*WEEK, size=7)
    assert len(rows) == total
    assert rows == v1.visits(*WEEK)
    beyond = v1.ok("/web-visits", ASKED, **{"page[num]": 90})
    assert beyond["data"] == []
    assert beyond["meta"]["pagination"]["page_num"] == 90
    empty = v1.ok("/web-visits", {"start_date": "2024-01-01", "end_date": "2024-01-02"})
    assert (empty["data"], empty["meta"]["pagination"]["page_count"]) == ([], 0)
    sandbox.leadfeeder.options.paging_block = "meta"
    meta = v1.ok("/web-visits", ASKED)["meta"]
    assert (meta["page_num"], meta["page_count"], meta["total_count"]) == (1, -(-total // 20), total)
    assert "pagination" not in meta


def test_filters(v1: V1) -> None:
    every = v1.visits(*WEEK)

    def filtered(**filters: Any) -> list[dict[str, Any]]:
        return list(v1.ok("/web-visits", {**ASKED, "filters": filters}, **{"page[size]": 100})["data"])

    def at(row: dict[str, Any]) -> tuple[str, str]:
        return row["relationships"]["location"]["attributes"]["country_code"], row["relationships"]["location"][
            "attributes"
        ]["city"]

    someone = every[3]["relationships"]["company"]["id"]
    mine = filtered(company_id=someone)
    assert mine == [row for row in every if row["relationships"]["company"]["id"] == someone]
    assert mine
    nordic = filtered(location_country_codes=["FI", "SE"])
    assert nordic == [row for row in every if at(row)[0] in ("FI", "SE")]
    assert nordic != filtered(location_country_codes=["FI"])
    cities = filtered(location_country_codes=["FI"], location_cities=["Tampere", "Berlin"])
    assert cities == [row for row in every if at(row) == ("FI", "Tampere")]
    assert cities
    assert filtered() == every[:100]


def test_the_ceiling(v1: V1, sandbox: Sandbox) -> None:
    sandbox.world.crowd_day("6001", DAY, 10_050)
    # the account's day begins on the day before in UTC
    asked = {"start_date": "2025-06-24", "end_date": DAY}
    last = v1.ok("/web-visits", asked, **{"page[num]": 100, "page[size]": 100})
    assert len(last["data"]) == 100
    assert last["meta"]["pagination"]["page_count"] > 100
    for number, size in ((101, 100), (501, 20)):
        refused = v1.post("/web-visits", asked, **{"page[num]": number, "page[size]": size})
        assert refused.status_code == 416
        assert refused.json()["errors"][0]["code"] == "offset_exceeded"
    refused = v1.get("/web-visits/companies", **asked, **{"page[num]": 101, "page[size]": 100})
    assert refused.status_code == 416
    sandbox.leadfeeder.options.ceiling = 20_000
    assert v1.ok("/web-visits", asked, **{"page[num]": 101, "page[size]": 100})["data"]


def test_visitor_companies(v1: V1, api: Api, sandbox: Sandbox) -> None:
    sandbox.leadfeeder_legacy.options.day_zone = "utc"
    rows = v1.companies(*WEEK, include="company")
    leads = api.walk("/accounts/6001/leads", *WEEK)
    assert [(f"https://www.{domain(row['relationships']['company'])}", row["attributes"]["name"]) for row in rows] == [
        (lead["attributes"]["website_url"], lead["attributes"]["name"]) for lead in leads
    ]
    assert {row["type"] for row in rows} == {"company_location"}
    assert len({row["id"] for row in rows}) == len(rows)
    companies = Counter(row["relationships"]["company"]["id"] for row in v1.companies("2025-06-03", "2025-06-30"))
    assert max(companies.values()) > 1
    assert "attributes" not in v1.companies(DAY, DAY)[0]["relationships"]["company"]


def test_visitor_companies_of_a_feed(v1: V1, sandbox: Sandbox) -> None:
    sandbox.world.add_feed("6001", "77", "Germany", country_code="DE")
    german = v1.companies(*WEEK, custom_feed_id="77")
    assert {row["relationships"]["location"]["attributes"]["country_code"] for row in german} == {"DE"}
    assert v1.companies(*WEEK, custom_feed_id="all_leads") == v1.companies(*WEEK)
    assert 0 < len(german) < len(v1.companies(*WEEK))
    sandbox.world.remove_feed("6001", "77")
    assert v1.get("/web-visits/companies", **ASKED, custom_feed_id="77").status_code == 404


def test_custom_feeds(v1: V1) -> None:
    feeds = {row["id"]: row for row in v1.ok("/web-visits/custom-feeds")["data"]}
    assert "all_leads" in feeds
    assert feeds["all_leads"]["relationships"] == {"folder": None, "connected_list": None}
    assert feeds["9999383"]["relationships"]["folder"] == {"id": "1", "type": "custom_feed_folder"}
    assert set(feeds["followed_companies"]["relationships"]["connected_list"]) == {"id", "type"}
    inline = v1.ok("/web-visits/custom-feeds", include="folder,connected_list")["data"]
    feeds = {row["id"]: row["relationships"] for row in inline}
    assert feeds["9999383"]["folder"]["attributes"] == {"name": "Regions"}
    connected = feeds["followed_companies"]["connected_list"]
    assert connected["attributes"] == {row["id"]: row["attributes"] for row in v1.ok("/lists")["data"]}[connected["id"]]


def test_usage(v1: V1) -> None:
    rows = v1.ok("/usage", start_period="2025-01", end_period="2025-12")["data"]
    assert {row["attributes"]["period"] for row in rows} == {"2025-06"}
    assert len({row["id"] for row in rows}) == len(rows) > 3
    assert all(row["type"] == "api_usage" and row["attributes"]["requests_count"] > 0 for row in rows)
    assert v1.ok("/usage", start_period="2025-07", end_period="2025-07")["data"] == []
    for wrong in ({}, {"start_period": "2025-06"}, {"start_period": "2025-06-01", "end_period": "2025-07"},
                  {"start_period": "2025-07", "end_period": "2025-06"}):  # fmt: skip
        assert v1.get("/usage", **wrong).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"start_date": DAY},
        {"start_date": "2025-06-26", "end_date": DAY},
        {"start_date": 20250625, "end_date": DAY},
        {"start_date": "2025-02-30", "end_date": DAY},
        {"start_date": DAY, "end_date": DAY, "filters": ["FI"]},
        [],
        "2025",
    ],
)
def test_wrong_bodies(v1: V1, body: Any) -> None:
    answer = v1.post("/web-visits", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "invalid_request"


@pytest.mark.parametrize(
    "params",
    [{"page[size]": 0}, {"page[size]": 101}, {"page[size]": "ten"}, {"page[num]": 0}, {"account_id": None}],
)
def test_wrong_parameters(v1: V1, params: dict[str, Any]) -> None:
    assert v1.post("/web-visits", ASKED, **params).status_code == 400
    assert v1.get("/tags", **params).status_code == 400


def test_a_change_shows_at_once(v1: V1, sandbox: Sandbox, clock: Clock) -> None:
    before = v1.visits(DAY, DAY)
    sandbox.world.grow_visit("6001", before[0]["id"])
    after = v1.visits(DAY, DAY)
    assert len(after[0]["attributes"]["engagements"]) == len(before[0]["attributes"]["engagements"]) + 1
    sandbox.world.add_visits("6001", DAY, 3)
    assert len(v1.visits(DAY, DAY)) == len(before) + 3
    sandbox.world.add_field("visits", "score", 7)
    assert v1.visits(DAY, DAY)[0]["attributes"]["score"] == 7
    today = len(v1.visits("2025-06-30", "2025-06-30"))
    clock.sleep(5 * 3600)
    assert len(v1.visits("2025-06-30", "2025-06-30")) > today


def test_settings_point_at_it(sandbox: Sandbox) -> None:
    settings = sandbox.settings()
    answer = requests.get(
        settings["SOURCES__LEADFEEDER__BASE_URL"] + "/accounts",
        headers={"X-Api-Key": settings["SOURCES__LEADFEEDER__API_KEY"]},
        timeout=5,
    )
    assert answer.status_code == 200
