"""Export requests: asked for, looked after, downloaded."""

from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.sandbox.client import Api, Clock, days

WEEK = ("2025-06-19", "2025-06-25")


def ask(api: Api, feed_id: str = "all_leads", account_id: str = "6001") -> dict[str, Any]:
    answer = api.post("/export-requests", account_id=account_id, custom_feed_id=feed_id, **days(*WEEK))
    assert answer.status_code == 200, answer.text
    row: dict[str, Any] = answer.json()["data"]
    return row


def look(api: Api, export: dict[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = api.ok(f"/export-requests/{export['id']}")["data"]["attributes"]
    return attributes


def fetch(attributes: dict[str, Any]) -> requests.Response:
    return requests.get(attributes["download_url"], timeout=5)


def test_life_of_a_report(api: Api) -> None:
    export = ask(api)
    created = export["attributes"]
    assert export["type"] == "export_requests"
    assert created == {
        "status": "pending",
        "created_at": "2025-06-30T12:00:30Z",
        "status_url": f"{api.base}/export-feed/{export['id']}",
        "download_url": None,
    }
    assert api.get(created["status_url"]).status_code == 404
    assert look(api, export)["status"] == "pending"
    done = look(api, export)
    assert done["status"] == "processed"
    assert done["created_at"] == "2025-06-30T12:00:30+00:00"
    assert done["download_url"].startswith(f"{api.base}/download/")
    assert fetch(done).status_code == 200


@pytest.mark.parametrize("feed_id", ["all_leads", "recommended_leads"])
def test_report_agrees_with_visits(api: Api, sandbox: Sandbox, feed_id: str) -> None:
    sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
    report = fetch(look(api, ask(api, feed_id))).json()
    rows = {row["id"].replace("|", "_"): row["attributes"] for row in report["data"]}
    leads = {row["id"]: row["attributes"] for row in api.walk("/accounts/6001/leads", *WEEK, custom_feed_id=feed_id)}
    assert {lead: row["stats"]["visits"] for lead, row in rows.items()} == {
        lead: row["visits"] for lead, row in leads.items()
    }
    visits = [row["attributes"] for row in api.walk("/accounts/6001/visits", *WEEK)]
    for lead, row in rows.items():
        mine = [visit for visit in visits if visit["lead_id"] == lead]
        assert row["stats"] == {
            "bounces": sum(visit["page_depth"] == 1 for visit in mine),
            "last_visit": max(visit["date"] for visit in mine),
            "pageviews": sum(visit["page_depth"] for visit in mine),
            "visits": len(mine),
        }
        assert row["keywords"] == sorted({visit["keyword"] for visit in mine} - {None})
        assert 1 <= row["quality"] <= 10
    included = {(row["type"], row["id"]): row for row in report["included"]}
    assert len(included) == len(report["included"])
    for row in report["data"]:
        lead = included["leads", row["relationships"]["lead"]["data"]["id"]]
        assert ("locations", lead["relationships"]["location"]["data"]["id"]) in included


def test_pending_by_the_clock_and_for_ever(api: Api, sandbox: Sandbox, clock: Clock) -> None:
    options = sandbox.leadfeeder_legacy.options.exports
    options.pending_polls, options.pending_seconds = 0, 90
    export = ask(api)
    assert look(api, export)["status"] == "pending"
    clock.sleep(90)
    options.never_ready = True
    assert look(api, export)["status"] == "pending"
    options.never_ready = False
    assert look(api, export)["status"] == "processed"


def test_failed_and_unknown_status(api: Api, sandbox: Sandbox) -> None:
    options = sandbox.leadfeeder_legacy.options.exports
    options.pending_polls, options.fail_next = 0, 2
    looked = [look(api, ask(api)) for _ in range(3)]
    assert [each["status"] for each in looked] == ["failed", "failed", "processed"]
    assert looked[0]["download_url"] is None
    options.status_text = "archived"
    assert look(api, ask(api))["status"] == "archived"


def test_expired_urls(api: Api, sandbox: Sandbox, clock: Clock) -> None:
    options = sandbox.leadfeeder_legacy.options.exports
    options.pending_polls, options.expire_next, options.expired_status = 0, 1, 410
    export = ask(api)
    assert fetch(look(api, export)).status_code == 410
    options.url_lifetime = 60
    fresh = look(api, export)
    assert fetch(fresh).status_code == 200
    clock.sleep(60)
    assert fetch(fresh).status_code == 410
    assert fetch(look(api, export)).status_code == 200


def test_download_from_another_host(api: Api, sandbox: Sandbox) -> None:
    options = sandbox.leadfeeder_legacy.options.exports
    options.pending_polls, options.download_host = 0, "other"
    done = look(api, ask(api))
    assert not done["download_url"].startswith(sandbox.url)
    assert fetch(done).json()["data"]
    (seen,) = sandbox.requests.find("/download/*")
    assert "authorization" not in seen.headers
    assert seen.headers["host"].startswith("localhost:")


def test_a_large_report_is_streamed(api: Api, sandbox: Sandbox) -> None:
    options = sandbox.leadfeeder_legacy.options.exports
    options.pending_polls, options.multiply = 0, 100
    leads = len(sandbox.world.window("6001", *WEEK).leads)
    answer = fetch(look(api, ask(api)))
    assert answer.headers.get("transfer-encoding") == "chunked"
    report = answer.json()
    assert len({row["id"] for row in report["data"]}) == len(report["data"]) == 100 * leads
    assert sum(row["type"] == "leads" for row in report["included"]) == 100 * leads


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"account_id": ""}, 400),
        ({"custom_feed_id": ""}, 400),
        ({"start_date": "2025-06-26"}, 400),
        ({"end_date": "soon"}, 400),
        ({"account_id": "1"}, 404),
        ({"custom_feed_id": "1"}, 404),
        ({"account_id": "6003"}, 402),
    ],
)
def test_wrong_requests(api: Api, sandbox: Sandbox, change: dict[str, str], status: int) -> None:
    sandbox.leadfeeder_legacy.options.account_status["6003"] = 402
    form = {"account_id": "6001", "custom_feed_id": "all_leads", **days(*WEEK), **change}
    assert api.post("/export-requests", **form).status_code == status
    assert api.get("/export-requests/1").status_code == 404
    assert api.get("/download/1.json").status_code == 404
