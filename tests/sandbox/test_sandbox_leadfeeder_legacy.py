"""The token API is held to its document."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from sandbox import Sandbox, World
from tests.sandbox.client import Api, Clock, days

DAY = "2025-06-25"
WEEK = ("2025-06-19", "2025-06-25")


def titles(answer: requests.Response) -> list[str]:
    return [error["title"] for error in answer.json()["errors"]]


def test_accounts(api: Api) -> None:
    rows = api.ok("/accounts")["data"]
    assert [(row["id"], row["type"], row["attributes"]["timezone"]) for row in rows] == [
        ("6001", "accounts", "Europe/Helsinki"),
        ("6002", "accounts", "America/New_york"),
        ("6003", "accounts", "Asia/Calcutta"),
    ]
    assert api.ok("/accounts/6002")["data"] == rows[1]
    assert set(rows[0]["attributes"]) == {"name", "subscription", "timezone", "website_tracking_status"}


def test_custom_feeds(api: Api) -> None:
    feeds = {row["id"]: row for row in api.ok("/accounts/6001/custom-feeds")["data"]}
    assert set(feeds) == {
        "all_leads", "new_leads", "recommended_leads", "followed_companies", "9999383", "999991535",
    }  # fmt: skip
    values = [each["search_value"] for row in feeds.values() for each in row["attributes"]["criteria"]]
    assert {type(value) for value in values} == {int, str}
    assert api.ok("/accounts/6001/custom-feeds/999991535")["data"] == feeds["999991535"]
    assert api.ok("/accounts/6001/custom-feed/999991535")["data"] == feeds["999991535"]
    assert api.get("/accounts/6001/custom-feeds/1").status_code == 404


def test_tracking_script(api: Api) -> None:
    row = api.ok("/accounts/6003/website-tracking-script")["data"]
    assert row["type"] == "website-tracking-scripts"
    assert row["attributes"]["script_hash"] in row["attributes"]["script_html"]
    assert row["attributes"]["timezone"] == "Asia/Calcutta"


def test_links(api: Api) -> None:
    path = "/accounts/6001/visits"
    first = api.ok(path, **days(*WEEK), **{"page[size]": 20, "fields[visits]": "date,hour"})
    links = first["links"]
    query = "?end_date=2025-06-25&fields%5Bvisits%5D=date%2Chour&page%5Bnumber%5D={}&page%5Bsize%5D=20"
    query += "&start_date=2025-06-19"
    assert links["self"] == api.base + path + query.format(1)
    assert links["next"] == api.base + path + query.format(2)
    last = api.ok(links["last"])
    assert "next" not in last["links"]
    assert last["links"]["self"] == last["links"]["last"] == links["last"]
    assert len(api.walk(path, *WEEK, size=20)) == len(api.walk(path, *WEEK, size=7))
    beyond = api.ok(path, **days(*WEEK), **{"page[number]": 90})
    assert beyond["data"] == []
    assert "next" not in beyond["links"]


def test_links_can_be_null_or_missing(api: Api, sandbox: Sandbox) -> None:
    sandbox.leadfeeder_legacy.options.last_next = "null"
    assert api.ok("/accounts/6001/leads", **days(DAY), **{"page[size]": 100})["links"]["next"] is None
    sandbox.leadfeeder_legacy.options.visit_links = False
    assert "links" not in api.ok("/accounts/6001/visits", **days(DAY))
    assert "links" in api.ok("/accounts/6001/leads", **days(DAY))


def test_links_follow_the_host(api: Api) -> None:
    answer = api.session.get(
        f"{api.base}/accounts/6001/leads", params=days(DAY), headers={"Host": "vendor.example"}, timeout=5
    )
    assert answer.json()["links"]["self"].startswith("http://vendor.example/leadfeeder_legacy/accounts/6001/leads?")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"start_date": DAY},
        {"end_date": DAY},
        days("2025-06-26", "2025-06-25"),
        days("25.06.2025"),
        days("2025-02-30"),
        days("20250625"),
        {**days(DAY), "page[size]": "0"},
        {**days(DAY), "page[size]": "101"},
        {**days(DAY), "page[size]": "ten"},
        {**days(DAY), "page[number]": "0"},
    ],
)
@pytest.mark.parametrize("kind", ["leads", "visits"])
def test_wrong_arguments(api: Api, kind: str, params: dict[str, str]) -> None:
    answer = api.get(f"/accounts/6001/{kind}", **params)
    assert answer.status_code == 400
    assert titles(answer)


def test_leads_add_up_the_visits_of_the_window(api: Api) -> None:
    leads = {row["id"]: row["attributes"] for row in api.walk("/accounts/6002/leads", *WEEK)}
    visits: dict[str, list[dict[str, Any]]] = {}
    for row in api.walk("/accounts/6002/visits", *WEEK):
        visits.setdefault(row["attributes"]["lead_id"], []).append(row["attributes"])
    assert {lead: len(rows) for lead, rows in visits.items()} == {lead: row["visits"] for lead, row in leads.items()}
    for lead, rows in visits.items():
        dates = [row["date"] for row in rows]
        assert (leads[lead]["first_visit_date"], leads[lead]["last_visit_date"]) == (min(dates), max(dates))
        assert 0 <= leads[lead]["quality"] <= 10
    each_day = [f"2025-06-{day}" for day in range(19, 26)]
    by_day = sum(row["attributes"]["visits"] for day in each_day for row in api.walk("/accounts/6002/leads", day, day))
    assert by_day == sum(row["visits"] for row in leads.values())


def test_dates_of_all_time(api: Api, sandbox: Sandbox) -> None:
    sandbox.leadfeeder_legacy.options.bounded_dates = False
    rows = [row["attributes"] for row in api.walk("/accounts/6001/leads", DAY, DAY)]
    assert any(row["first_visit_date"] < DAY for row in rows)


def test_visits_are_consistent(api: Api) -> None:
    zone = ZoneInfo("America/New_York")
    for row in api.walk("/accounts/6002/visits", *WEEK):
        visit, route = row["attributes"], row["attributes"]["visit_route"]
        assert visit["page_depth"] == len(route)
        assert visit["visit_length"] == sum(page["time_on_page"] for page in route)
        paths = [page["page_path"] for page in route]
        assert [page["previous_page_path"] for page in route] == ["(entrance)", *paths[:-1]]
        assert visit["started_at"].endswith(":00.000Z")
        wall = datetime.fromisoformat(visit["started_at"]).astimezone(zone)
        assert (visit["date"], visit["hour"]) == (wall.date().isoformat(), wall.hour)
        assert WEEK[0] <= visit["date"] <= WEEK[1]


def test_included_once_a_page(api: Api) -> None:
    for kind in ("leads", "visits"):
        page = api.ok(f"/accounts/6001/{kind}", **days(*WEEK), **{"page[size]": 100})
        included = [row["id"] for row in page["included"]]
        assert len(included) == len(set(included))
        assert set(included) == {row["relationships"]["location"]["data"]["id"] for row in page["data"]}
        assert page["included"][0]["attributes"]["region_code"] is None


def test_types_wobble(api: Api) -> None:
    leads = [row["attributes"] for row in api.walk("/accounts/6001/leads", "2025-06-03", "2025-06-30")]
    organizations = {type(row["crm_organization_id"]) for row in leads if "crm_organization_id" in row}
    assert organizations == {int, str, type(None)}
    for name in ("employee_count", "crm_lead_id", "tags"):
        assert {name in row for row in leads} == {True, False}
    assert all(row["revenue"] is None or row["revenue"].endswith(".0") for row in leads)
    visits = [row["attributes"] for row in api.walk("/accounts/6001/visits", *WEEK)]
    assert all(isinstance(row["lf_client_id"], int) for row in visits)
    for name in ("query_term", "adobe_cookies", "ga_client_ids"):
        assert {name in row for row in visits} == {True, False}


def test_one_lead(api: Api) -> None:
    listed = api.ok("/accounts/6001/leads", **days(DAY))["data"][0]
    answer = api.ok(f"/accounts/6001/leads/{listed['id']}")
    assert "quality" not in answer["data"]["attributes"]
    assert answer["included"][0]["id"] == answer["data"]["relationships"]["location"]["data"]["id"]
    mine = api.walk(f"/accounts/6001/leads/{listed['id']}/visits", "2025-06-01", "2025-06-30")
    assert len(mine) == answer["data"]["attributes"]["visits"]
    assert {row["attributes"]["lead_id"] for row in mine} == {listed["id"]}
    assert api.get("/accounts/6001/leads/nobody").status_code == 404
    assert api.get("/accounts/6001/leads/nobody/visits", **days(DAY)).status_code == 404


def test_sparse_fieldsets(api: Api) -> None:
    page = api.ok(
        "/accounts/6001/leads", **days(DAY), **{"fields[leads]": "name,visits", "fields[locations]": "country"}
    )
    assert {frozenset(row["attributes"]) for row in page["data"]} == {frozenset({"name", "visits"})}
    assert {frozenset(row["attributes"]) for row in page["included"]} == {frozenset({"country"})}
    assert page["data"][0]["relationships"]["location"]["data"]["type"] == "locations"


def test_leads_of_a_feed(api: Api, sandbox: Sandbox) -> None:
    sandbox.world.add_feed("6001", "77", "Germany", country_code="DE")
    german = api.walk("/accounts/6001/custom-feeds/77/leads", *WEEK)
    assert german == api.walk("/accounts/6001/leads", *WEEK, custom_feed_id="77")
    every = api.walk("/accounts/6001/leads", *WEEK)
    assert 0 < len(german) < len(every)
    assert every == api.walk("/accounts/6001/leads", *WEEK, custom_feed_id="all_leads")
    new = api.walk("/accounts/6001/leads", *WEEK, custom_feed_id="new_leads")
    assert {row["attributes"]["assignee"] for row in new} == {None}
    sandbox.world.remove_feed("6001", "77")
    assert api.get("/accounts/6001/custom-feeds/77/leads", **days(DAY)).status_code == 404


def test_ceiling(api: Api, sandbox: Sandbox) -> None:
    sandbox.world.crowd_day("6001", DAY, 10_050)
    path, full = "/accounts/6001/leads", {**days(DAY), "page[size]": 100, "fields[leads]": "name"}
    assert "page%5Bnumber%5D=100&" in api.ok(path, **full)["links"]["last"]
    hundredth = api.ok(path, **full, **{"page[number]": 100})
    assert len(hundredth["data"]) == 100
    assert "next" not in hundredth["links"]
    assert api.ok(path, **full, **{"page[number]": 101})["data"] == []
    for status in (400, 416):
        sandbox.leadfeeder_legacy.options.past_ceiling = status
        assert api.get(path, **full, **{"page[number]": 101}).status_code == status
    assert len(api.ok("/accounts/6001/visits", **days(DAY), **{"page[size]": 100, "page[number]": 101})["data"]) == 50


def test_day_zones(api: Api, sandbox: Sandbox) -> None:
    local = {row["id"] for row in api.walk("/accounts/6002/visits", DAY, DAY)}
    sandbox.leadfeeder_legacy.options.day_zone = "utc"
    rows = api.walk("/accounts/6002/visits", DAY, DAY)
    assert {row["attributes"]["started_at"][:10] for row in rows} == {DAY}
    assert {row["id"] for row in rows} != local
    assert any(row["attributes"]["date"] != DAY for row in rows)
    split = [row["id"] for day in WEEK for row in api.walk("/accounts/6002/visits", day, day)]
    assert len(split) == len(set(split))


def test_token(api: Api) -> None:
    for header in ("Token token=wrong", "Bearer sandbox-legacy-token", ""):
        answer = requests.get(f"{api.base}/accounts", headers={"Authorization": header}, timeout=5)
        assert (answer.status_code, titles(answer)) == (401, ["Unauthorized"])


def test_accounts_that_refuse(api: Api, sandbox: Sandbox) -> None:
    sandbox.leadfeeder_legacy.options.account_status.update({"6001": 402, "6002": 403, "6003": 404})
    lite = sandbox.world.add_account("Small Fry", subscription="lite")
    for account_id, status in {"6001": 402, "6002": 403, "6003": 404, lite: 402}.items():
        assert api.get(f"/accounts/{account_id}/leads", **days(DAY)).status_code == status
        assert api.get(f"/accounts/{account_id}/custom-feeds").status_code == status
    assert len(api.ok("/accounts")["data"]) == 4


def test_unknown_paths_and_methods(api: Api) -> None:
    assert titles(api.get("/nothing")) == ["Not Found"]
    assert api.get("/accounts/1/leads", **days(DAY)).status_code == 404
    assert api.post("/accounts").status_code == 405


def test_rate_limit_turns_with_the_minute(clock: Clock) -> None:
    with Sandbox(World(clock=clock)) as sandbox:
        api = Api(sandbox)
        assert {api.get("/accounts").status_code for _ in range(100)} == {200}
        refused = api.get("/accounts/6001/custom-feeds")
        assert refused.status_code == 429
        assert refused.json()["errors"] == [
            {
                "title": "Exceeded the API rate limit of 100 requests per minute. Try again later.",
                "links": {"about": "http://docs.leadfeeder.com/api/#rate-limiting"},
            }
        ]
        clock.sleep(29)
        assert api.get("/accounts").status_code == 429
        clock.sleep(1)
        assert api.get("/accounts").status_code == 200
        sandbox.leadfeeder_legacy.options.requests_per_minute = 2
        assert [api.get("/accounts").status_code for _ in range(2)] == [200, 429]
        assert sandbox.requests.count(status=429) == 3
        api.session.close()


def test_export_requests_have_a_limit_of_their_own(clock: Clock) -> None:
    with Sandbox(World(clock=clock)) as sandbox:
        api = Api(sandbox)
        form = {"account_id": "6001", "custom_feed_id": "all_leads", **days(DAY)}
        assert [api.post("/export-requests", **form).status_code for _ in range(6)] == [200] * 5 + [429]
        error = api.post("/export-requests", **form).json()["errors"][0]
        assert error["title"] == "Exceeded the Export requests rate limit of 5 requests per minute. Try again later."
        assert error["links"]["about"].endswith("#exporting-feeds")
        assert api.get("/accounts").status_code == 200
        clock.sleep(60)
        assert api.post("/export-requests", **form).status_code == 200
        api.session.close()


def test_what_was_answered_before_is_not_answered_again_after_a_change(api: Api, sandbox: Sandbox) -> None:
    row = api.ok("/accounts/6001/leads", **days(DAY))["data"][0]
    sandbox.world.retag("6001", row["id"], ["changed"])
    assert api.ok("/accounts/6001/leads", **days(DAY))["data"][0]["attributes"]["tags"] == ["changed"]
    sandbox.world.add_field("leads", "icp_score", 7)
    assert api.ok("/accounts/6001/leads", **days(DAY))["data"][0]["attributes"]["icp_score"] == 7


def test_today_grows(api: Api, clock: Clock) -> None:
    def seen() -> int:
        return len(api.walk("/accounts/6001/visits", "2025-06-30", "2025-06-30"))

    now = datetime.fromtimestamp(clock(), UTC)
    assert all(
        datetime.fromisoformat(row["attributes"]["started_at"]) <= now
        for row in api.walk("/accounts/6001/visits", "2025-06-30", "2025-06-30")
    )
    before = seen()
    clock.sleep(5 * 3600)
    assert seen() > before
