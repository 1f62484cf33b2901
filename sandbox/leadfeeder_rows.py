"""Objects of the `/v1` API: attributes of companies, places, visits and feeds, and the ids they have there.

A company's id is a numeric string; it follows from its number in the story. What is not known of a company
is null; what a visit has not is left out.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .companies import LOCATIONS, Company, Location
from .feeds import Feed
from .visits import Visit
from .words import INDUSTRIES, PAGES
from .world import Account

FIRST_COMPANY = 159_000_000
FOLDERS = {"country_code": ("1", "Regions"), "page_url": ("2", "Content")}
CUSTOM_FIELDS = (
    ("1", "Account tier", "text", "company"),
    ("2", "Renewal date", "date", "company"),
    ("3", "Speaks English", "boolean", "contact"),
)
NACE_CODES = (
    ("62.01", "Computer programming activities"),
    ("62.02", "Computer consultancy activities"),
    ("63.11", "Data processing, hosting and related activities"),
    ("70.22", "Business and other management consultancy activities"),
    ("73.11", "Advertising agencies"),
)


def company_id(number: int) -> str:
    return str(FIRST_COMPANY + number)


def company_number(company_id: str) -> int | None:
    if not company_id.isascii() or not company_id.isdecimal() or len(company_id) > 12:
        return None
    return int(company_id) - FIRST_COMPANY


@lru_cache(maxsize=32_768)
def company(known: Company) -> dict[str, Any]:
    """The attributes of a company. Shared: not to be changed."""
    home = place(known.location)
    employees = {"min": known.employees_min, "max": known.employees_max}
    currency, _, revenue = (known.revenue or "").partition(" ")
    profiles = {
        "linkedin": [{"url": known.linkedin_url}] if known.linkedin_url else [],
        "facebook": [{"url": known.facebook_url}] if known.facebook_url else [],
        "x": [{"url": f"https://x.com/{known.twitter_handle}"}] if known.twitter_handle else [],
    }
    return {
        "name": known.name,
        "alternative_names": [],
        "url": f"https://www.{known.domain}",
        "alternative_urls": [],
        "industries": {"industry": [{"code": str(known.industry_code), "name": name} for name in known.industries]},
        "employee_count": known.employee_count,
        "employee_range": employees if known.employees_min is not None else None,
        "revenue": {"amount": float(revenue), "currency": currency} if known.revenue else None,
        "address": {name: home[name] for name in ("city", "region", "country", "country_code")},
        "phone": known.phone,
        "social_media_profiles": profiles,
        "register_id": known.business_id,
    }


_PLACES = {
    each.id: {
        "country": each.country,
        "country_code": each.country_code,
        "region": each.region,
        "city": each.city,
        "state_code": each.state_code,
    }
    for each in LOCATIONS
}


def place(location: Location) -> dict[str, Any]:
    """The attributes of a location. Shared: not to be changed."""
    return _PLACES[location.id]


def visit(account: Account, visit: Visit) -> dict[str, Any]:
    channel, route = visit.channel, visit.route
    attributes: dict[str, Any] = {
        "started_at": instant(visit.started),
        "visit_length": sum(seconds for _, seconds in route),
        "page_depth": len(route),
        "landing_page_path": route[0][0],
        "source": channel.source,
        "medium": channel.medium,
        "device_type": visit.device,
        "engagements": [{"page": _page(account.hostname, path), "time_on_page": seconds} for path, seconds in route],
    }
    if channel.campaign:
        attributes["campaign"] = channel.campaign
    if visit.keyword:
        attributes["keyword"] = visit.keyword
    if channel.referring_url:
        attributes["referring_url"] = channel.referring_url
    attributes.update(account.extra.get("visits", {}))
    return attributes


def feed(feed: Feed) -> dict[str, Any]:
    return {"name": feed.name, "filters": list(feed.criteria)}


def folder_of(feed: Feed) -> tuple[str, str] | None:
    """The id and name of the folder that a feed lies in; the first of its criteria decides."""
    return FOLDERS.get(feed.criteria[0]["criterion_type"]) if feed.criteria else None


def folders() -> list[dict[str, Any]]:
    return [row("custom_feed_folder", id_, {"name": name}) for id_, name in FOLDERS.values()]


def custom_fields() -> list[dict[str, Any]]:
    return [
        row("custom_field", id_, {"name": name, "field_type": kind, "scope": scope})
        for id_, name, kind, scope in CUSTOM_FIELDS
    ]


def industries() -> list[dict[str, Any]]:
    return [row("industry", str(code), {"code": str(code), "name": name}) for name, code, _ in INDUSTRIES]


def nace_codes() -> list[dict[str, Any]]:
    return [row("nace_code", code, {"code": code, "description": text}) for code, text in NACE_CODES]


def row(
    kind: str, id_: str, attributes: Mapping[str, Any], relationships: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {"id": id_, "type": kind, "attributes": attributes}
    if relationships is not None:
        made["relationships"] = relationships
    return made


def instant(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(maxsize=4096)
def _page(hostname: str, path: str) -> dict[str, str]:
    return {"path": path, "title": PAGES.get(path.partition("?")[0], path), "url": f"https://{hostname}{path}"}
