"""What the `/v1` API holds, read the plainest way: one request after another, nothing shared, every question by itself.

A second reading of the document, written without looking at `sources/`, that the warehouse must equal.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import requests

from sandbox import Sandbox

Row = dict[str, Any]


class Oracle:
    def __init__(self, sandbox: Sandbox) -> None:
        options = sandbox.leadfeeder.options
        # whoever looks behind the curtain meets no limit, and reads one form
        options.requests_per_second = options.requests_per_month = None
        options.relationships, options.paging_block, options.ceiling = "bare", "pagination", 1_000_000
        settings = sandbox.settings()
        self._url = settings["SOURCES__LEADFEEDER__BASE_URL"]
        self._headers = {"X-Api-Key": settings["SOURCES__LEADFEEDER__API_KEY"]}

    def tables(self, first: date, last: date) -> dict[str, list[Row]]:
        """Every table that is filled by default, for all accounts and some days (both inclusive)."""
        found: dict[str, list[Row]] = {name: [] for name in TABLES}
        places: dict[str, Row] = {}
        months = sorted({day.replace(day=1) for day in days(first, last)})
        for summary in self._get("/accounts")["data"]:
            account = summary["id"]
            (detail,) = self._get("/accounts", account_id=account)["data"]
            found["accounts"].append(_account(detail))
            feeds = self._get("/web-visits/custom-feeds", account_id=account, include="folder,connected_list")["data"]
            found["custom_feeds"] += [_feed(account, feed) for feed in feeds]
            for visit in self._visits(account, first, last):
                _note(places, visit)
                found["visits"].append(_visit(account, visit))
                found["visit_pages"] += _pages(account, visit)
            for month in months:
                until = min(_end(month), last)
                span = {"window_start": month, "start_date": max(month, first), "end_date": until}
                for row in self._companies(account, span, include="company"):
                    _note(places, row)
                    company = row["relationships"]["company"]["attributes"]
                    more = {"company": company, "company_name": company["name"], "company_url": company["url"]}
                    found["visitor_companies"].append({"account_id": account, **span, **_company(row), **more})
                for feed in feeds:
                    for row in self._companies(account, span, custom_feed_id=feed["id"]):
                        _note(places, row)
                        given = {"account_id": account, "custom_feed_id": feed["id"], **span}
                        found["feed_companies"].append({**given, **_company(row)})
                period = f"{month:%Y-%m}"
                usage = self._get("/usage", account_id=account, start_period=period, end_period=period)["data"]
                found["usage"] += [{"account_id": account, "window_start": month, **_flat(row)} for row in usage]
            found["tags"] += [{"account_id": account, **_flat(tag)} for tag in self._numbered("/tags", account)]
            for each in self._numbered("/lists", account):
                found["lists"].append({"account_id": account, **_flat(each)})
                for item in self._by_cursor(f"/lists/{each['id']}/items", account):
                    row = {"account_id": account, "list_id": each["id"], "id": item["id"], "type": item["type"]}
                    found["list_items"].append(row)
        found["locations"] = list(places.values())
        return found

    def _get(self, path: str, **parameters: Any) -> Any:
        answer = requests.get(self._url + path, params=parameters, headers=self._headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def _numbered(self, path: str, account: str, **parameters: Any) -> Iterator[Row]:
        number = 1
        while True:
            page = self._get(path, account_id=account, **{"page[num]": number, "page[size]": 37}, **parameters)
            yield from page["data"]
            if number >= page["meta"]["pagination"]["page_count"]:
                return
            number += 1

    def _companies(self, account: str, span: Row, **parameters: Any) -> Iterator[Row]:
        asked = {name: str(span[name]) for name in ("start_date", "end_date")}
        return self._numbered("/web-visits/companies", account, **asked, **parameters)

    def _by_cursor(self, path: str, account: str) -> Iterator[Row]:
        cursor: Any = ""
        while cursor is not None:
            page = self._get(path, account_id=account, **{"page[cursor]": cursor, "page[size]": 41})
            yield from page["data"]
            cursor = page["meta"]["pagination"]["next_cursor"]

    def _visits(self, account: str, first: date, last: date) -> Iterator[Row]:
        for day in days(first, last):
            number, count = 1, 1
            while number <= count:
                answer = requests.post(
                    f"{self._url}/web-visits",
                    params={"account_id": account, "page[num]": str(number), "page[size]": "53"},
                    json={"start_date": str(day), "end_date": str(day)},
                    headers=self._headers,
                    timeout=30,
                )
                answer.raise_for_status()
                page = answer.json()
                yield from page["data"]
                count, number = page["meta"]["pagination"]["page_count"], number + 1


TABLES = (
    "accounts custom_feeds visits visit_pages visitor_companies feed_companies tags lists list_items usage locations"
).split()


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _end(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _note(places: dict[str, Row], row: Row) -> None:
    place = row["relationships"]["location"]
    places[place["id"]] = {"id": place["id"], **place["attributes"]}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _flat(row: Row) -> Row:
    """Its id, and its attributes: as texts, because nobody has published their types."""
    return {"id": row["id"], **{name: _text(value) for name, value in row["attributes"].items()}}


def _account(row: Row) -> Row:
    attributes = dict(row["attributes"])
    credits_of = attributes.pop("credits")
    return {
        "id": row["id"],
        **attributes,
        "credits_available": credits_of["available"],
        "credits_used": credits_of["used"],
        "credits_remaining": credits_of["remaining"],
        "credits_next_reset_on": date.fromisoformat(credits_of["next_reset_on"]),
    }


def _feed(account: str, row: Row) -> Row:
    related: Row = {}
    for name in ("folder", "connected_list"):
        end = row["relationships"][name] or {}
        related |= {f"{name}_id": end.get("id"), f"{name}_name": end.get("attributes", {}).get("name")}
    return {"account_id": account, **_flat(row), **related}


def _company(row: Row) -> Row:
    ends = row["relationships"]
    return {**_flat(row), "company_id": ends["company"]["id"], "location_id": ends["location"]["id"]}


def _started(visit: Row) -> datetime:
    return datetime.fromisoformat(visit["attributes"]["started_at"]).astimezone(UTC)


def _visit(account: str, visit: Row) -> Row:
    counts = ("visit_length", "page_depth")
    others = {name: value for name, value in _flat(visit).items() if name not in (*counts, "started_at", "engagements")}
    return {
        "account_id": account,
        **others,
        **{name: visit["attributes"][name] for name in counts},
        "company_id": visit["relationships"]["company"]["id"],
        "location_id": visit["relationships"]["location"]["id"],
        "started_at": _started(visit),
        "visit_date": _started(visit).date(),
    }


def _pages(account: str, visit: Row) -> list[Row]:
    return [
        {
            "account_id": account,
            "visit_id": visit["id"],
            "position": number,
            "visit_date": _started(visit).date(),
            **engagement["page"],
            **{name: _text(value) for name, value in engagement.items() if name != "page"},
        }
        for number, engagement in enumerate(visit["attributes"]["engagements"])
    ]
