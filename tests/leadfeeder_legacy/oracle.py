"""What the token API holds, read the plainest way: one request after another, every day by itself, nothing shared.

A second reading of the document, written without looking at `sources/`, that the warehouse must equal.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

from sandbox import Sandbox

Row = dict[str, Any]
WIDE = timedelta(days=2)


class Oracle:
    def __init__(self, sandbox: Sandbox) -> None:
        # whoever looks behind the curtain is not counted
        sandbox.leadfeeder_legacy.options.requests_per_minute = None
        settings = sandbox.settings()
        self._url = settings["SOURCES__LEADFEEDER_LEGACY__BASE_URL"]
        self._token = settings["SOURCES__LEADFEEDER_LEGACY__API_TOKEN"]

    def tables(self, spans: dict[str, tuple[date, date]]) -> dict[str, list[Row]]:
        """Every table for the accounts and the days (both inclusive) of each."""
        found: dict[str, list[Row]] = {name: [] for name in TABLES}
        places: dict[str, Row] = {}
        companies: dict[tuple[str, str], tuple[Row, str]] = {}
        for document in self._get("/accounts")["data"]:
            account = document["id"]
            if account not in spans:
                continue
            found["accounts"].append(
                {
                    "id": account,
                    **_pick(document, "name", "subscription", "timezone", "website_tracking_status", "on_trial"),
                    "subscription_addons": document["attributes"].get("subscription_addons"),
                }
            )
            script = self._get(f"/accounts/{account}/website-tracking-script")["data"]
            found["tracking_scripts"].append(
                {"account_id": account, "id": script["id"], **_pick(script, "script_hash", "script_html", "timezone")}
            )
            for feed in self._get(f"/accounts/{account}/custom-feeds")["data"]:
                found["custom_feeds"].append({"account_id": account, "id": feed["id"], **_pick(feed, "name")})
                for number, criterion in enumerate(feed["attributes"]["criteria"]):
                    found["custom_feed_criteria"].append(
                        {
                            "account_id": account,
                            "custom_feed_id": feed["id"],
                            "position": number,
                            "criterion_type": criterion["criterion_type"],
                            "search_value": _text(criterion["search_value"]),
                            "display_value": _text(criterion["display_value"]),
                            "excluded": criterion["excluded"],
                        }
                    )
            first, last = spans[account]
            for offset in range((last - first).days + 1):
                day = first + timedelta(days=offset)
                for lead in self._pages(f"/accounts/{account}/leads", day, day, places):
                    companies[account, lead["id"]] = (lead, account)
                    found["lead_days"].append(
                        {
                            "account_id": account,
                            "lead_id": lead["id"],
                            "date": day,
                            "visits": lead["attributes"]["visits"],
                            "quality": lead["attributes"]["quality"],
                            "first_visit_date": _day(lead["attributes"].get("first_visit_date")),
                            "last_visit_date": _day(lead["attributes"].get("last_visit_date")),
                        }
                    )
            for visit in self._pages(f"/accounts/{account}/visits", first - WIDE, last + WIDE, places):
                day = date.fromisoformat(visit["attributes"]["date"])
                if first <= day <= last:
                    found["visits"].append(_visit(account, visit, day))
                    found["visit_pages"] += _route(account, visit, day)
        for lead, account in companies.values():
            found["leads"].append(_lead(account, lead))
            for number, tag in enumerate(lead["attributes"].get("tags") or []):
                found["lead_tags"].append(
                    {"account_id": account, "lead_id": lead["id"], "position": number, "tag": tag}
                )
            for number, industry in enumerate(lead["attributes"].get("industries") or []):
                found["lead_industries"].append(
                    {"account_id": account, "lead_id": lead["id"], "position": number, "name": industry["name"]}
                )
        found["locations"] = list(places.values())
        return found

    def _get(self, path: str, **parameters: Any) -> Any:
        headers = {"Authorization": f"Token token={self._token}"}
        answer = requests.get(self._url + path, params=parameters, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def _pages(self, path: str, first: date, last: date, places: dict[str, Row]) -> Iterator[Row]:
        number = 1
        while True:
            page = self._get(
                path,
                **{"start_date": str(first), "end_date": str(last), "page[size]": 100, "page[number]": number},
            )
            for place in page.get("included", []):
                places[place["id"]] = {
                    "id": place["id"],
                    **_pick(place, "country", "country_code", "region", "region_code", "city", "state_code"),
                }
            yield from page["data"]
            if len(page["data"]) < 100:
                return
            number += 1


TABLES = (
    "accounts tracking_scripts custom_feeds custom_feed_criteria leads lead_tags lead_industries lead_days "
    "visits visit_pages locations"
).split()


def _pick(document: Row, *names: str) -> Row:
    return {name: document["attributes"].get(name) for name in names}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _id(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _lead(account: str, lead: Row) -> Row:
    attributes = lead["attributes"]
    revenue = attributes.get("revenue")
    staff = attributes.get("employees_range") or {}
    texts = (
        "name industry status website_url phone linkedin_url twitter_handle facebook_url employee_count logo_url "
        "assignee revenue emailed_to view_in_leadfeeder"
    ).split()
    ids = "dealfront_id crm_lead_id crm_organization_id business_id".split()
    return {
        "account_id": account,
        "id": lead["id"],
        **_pick(lead, *texts),
        **{name: _id(attributes.get(name)) for name in ids},
        "first_visit_date": _day(attributes.get("first_visit_date")),
        "last_visit_date": _day(attributes.get("last_visit_date")),
        "employees_min": staff.get("min"),
        "employees_max": staff.get("max"),
        "revenue_amount": Decimal(revenue.split()[1]) if revenue else None,
        "revenue_currency": revenue.split()[0] if revenue else None,
        "location_id": lead["relationships"]["location"]["data"]["id"],
    }


def _visit(account: str, visit: Row, day: date) -> Row:
    attributes = visit["attributes"]
    names = (
        "hour source medium campaign referring_url keyword query_term country_code page_depth visit_length device_type "
        "landing_page_path ga_client_ids adobe_cookies visitor_email visitor_first_name visitor_last_name"
    ).split()
    return {
        "account_id": account,
        "id": visit["id"],
        "lead_id": _id(attributes["lead_id"]),
        "location_id": visit["relationships"]["location"]["data"]["id"],
        "started_at": datetime.fromisoformat(attributes["started_at"]).astimezone(UTC),
        "visit_date": day,
        "lf_client_id": _id(attributes["lf_client_id"]),
        **_pick(visit, *names),
    }


def _route(account: str, visit: Row, day: date) -> list[Row]:
    names = "hostname page_path previous_page_path time_on_page page_title page_url display_page_name".split()
    return [
        {
            "account_id": account,
            "visit_id": visit["id"],
            "position": number,
            "visit_date": day,
            **{name: page.get(name) for name in names},
        }
        for number, page in enumerate(visit["attributes"]["visit_route"])
    ]
