"""Objects of the token API as the document's samples show them, wobbling types and all.

Where a sample has an attribute and its neighbour has not, some rows here have it and some have not:
employees, CRM fields and tags of a lead; `query_term`, `ga_client_ids` and `adobe_cookies` of a visit.
`lf_client_id` is an integer, as sampled.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from .companies import Lead, Location
from .feeds import Feed
from .visits import Visit
from .windows import Figures
from .words import PAGES
from .world import Account

Wanted = frozenset[str] | None


def account(account: Account, wanted: Wanted = None) -> dict[str, Any]:
    attributes = {
        "name": account.name,
        "subscription": account.subscription,
        "timezone": account.timezone,
        "website_tracking_status": account.website_tracking_status,
        **account.extra.get("accounts", {}),
    }
    return {"attributes": _only(attributes, wanted), "id": account.id, "type": "accounts"}


def feed(feed: Feed, wanted: Wanted = None) -> dict[str, Any]:
    attributes = {"name": feed.name, "criteria": list(feed.criteria)}
    return {"id": feed.id, "type": "custom_feeds", "attributes": _only(attributes, wanted)}


def lead(account: Account, figures: Figures, dates: Figures, wanted: Wanted = None) -> dict[str, Any]:
    """`visits` and `quality` come from `figures`, first and last visit date from `dates`."""
    lead, company = figures.lead, figures.lead.company
    attributes: dict[str, Any] = {
        "name": company.name,
        "industry": company.industry,
        "industries": [{"name": name} for name in company.industries],
        "first_visit_date": dates.first_visit.day,
        "status": "handled" if lead.handled else "new",
        "dealfront_id": company.dealfront_id,
        "last_visit_date": dates.last_visit.day,
        "website_url": f"https://www.{company.domain}",
        "phone": company.phone,
        "linkedin_url": company.linkedin_url,
        "twitter_handle": company.twitter_handle,
        "facebook_url": company.facebook_url,
    }
    if not lead.sparse:
        attributes["employee_count"] = company.employee_count
        attributes["employees_range"] = {"min": company.employees_min, "max": company.employees_max}
        attributes["crm_lead_id"] = lead.crm_lead_id
        attributes["crm_organization_id"] = lead.crm_organization_id
        attributes["tags"] = lead.tags
    attributes["logo_url"] = f"https://logos.leadfeeder.com/{company.number}/logo.png"
    attributes["assignee"] = lead.assignee
    attributes["business_id"] = company.business_id
    attributes["revenue"] = company.revenue
    attributes["emailed_to"] = lead.emailed_to
    attributes["view_in_leadfeeder"] = f"https://app.leadfeeder.com/link/{account.id}{lead.number:06x}"
    attributes["quality"] = figures.quality
    attributes["visits"] = len(figures.visits)
    attributes.update(account.extra.get("leads", {}))
    return {
        "id": lead.id,
        "type": "leads",
        "attributes": _only(attributes, wanted),
        "relationships": _at(lead.location),
    }


def visit(account: Account, visit: Visit, wanted: Wanted = None) -> dict[str, Any]:
    channel = visit.channel
    attributes: dict[str, Any] = {
        "source": channel.source,
        "medium": channel.medium,
        "referring_url": channel.referring_url,
        "page_depth": len(visit.route),
        "visit_route": _route(account.hostname, visit.route) if wanted is None or "visit_route" in wanted else None,
        "keyword": visit.keyword,
        "visit_length": sum(seconds for _, seconds in visit.route),
        "started_at": _instant(visit.started),
        "campaign": channel.campaign,
        "date": visit.day,
        "hour": visit.hour,
        "lf_client_id": visit.client_id,
        "country_code": visit.lead.location.country_code,
        "device_type": visit.device,
        "lead_id": visit.lead.id,
    }
    if visit.query_term:
        attributes["query_term"] = visit.query_term
    if visit.ga_client_ids:
        attributes["ga_client_ids"] = visit.ga_client_ids
    if visit.adobe_cookies:
        attributes["adobe_cookies"] = visit.adobe_cookies
    attributes.update(account.extra.get("visits", {}))
    return {
        "id": visit.id,
        "type": "visits",
        "attributes": _only(attributes, wanted),
        "relationships": _at(visit.lead.location),
    }


def location(location: Location, wanted: Wanted = None) -> dict[str, Any]:
    attributes = {
        "country": location.country,
        "country_code": location.country_code,
        "region": location.region,
        "region_code": None,
        "city": location.city,
        "state_code": location.state_code,
    }
    return {"id": location.id, "type": "locations", "attributes": _only(attributes, wanted)}


def included(leads: Iterable[Lead], wanted: Mapping[str, Wanted]) -> list[dict[str, Any]]:
    """The locations of a page's rows, each once."""
    places = {lead.location.id: lead.location for lead in leads}
    return [location(place, wanted.get("locations")) for place in places.values()]


def timeline_row(figures: Figures) -> dict[str, Any]:
    """A report's row: the document's table calls it a feed item. `quality` begins at 1 here."""
    identity = report_id(figures.lead)
    return {
        "attributes": {
            "keywords": figures.keywords,
            "quality": max(1, figures.quality),
            "stats": {
                "bounces": figures.bounces,
                "last_visit": figures.last_visit.day,
                "pageviews": figures.pageviews,
                "visits": len(figures.visits),
            },
        },
        "id": identity,
        "relationships": {"lead": {"data": {"id": identity, "type": "leads"}}},
        "type": "timeline_rows",
    }


def report_lead(figures: Figures) -> dict[str, Any]:
    """A report's lead has fewer attributes than the list's."""
    company = figures.lead.company
    attributes = {
        "first_visit_date": figures.first_visit.day,
        "industry": company.industry,
        "last_visit_date": figures.last_visit.day,
        "name": company.name,
        "status": "handled" if figures.lead.handled else "new",
        "website_url": f"https://www.{company.domain}",
        "linkedin_url": company.linkedin_url,
        "twitter_handle": company.twitter_handle,
        "facebook_url": company.facebook_url,
    }
    return {
        "attributes": attributes,
        "id": report_id(figures.lead),
        "relationships": _at(figures.lead.location),
        "type": "leads",
    }


def report_id(lead: Lead) -> str:
    """Reports write `a|b` where the leads list has `a_b`."""
    return lead.id.replace("_", "|")


def _route(hostname: str, route: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    pages = []
    previous = "(entrance)"
    for path, seconds in route:
        pages.append(
            {
                "hostname": hostname,
                "page_path": path,
                "previous_page_path": previous,
                "time_on_page": seconds,
                "page_title": PAGES.get(path.partition("?")[0], path),
                "page_url": f"https://{hostname}{path}",
                "display_page_name": path,
            }
        )
        previous = path
    return pages


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _at(location: Location) -> dict[str, Any]:
    return {"location": {"data": {"id": location.id, "type": "locations"}}}


def _only(attributes: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    return attributes if wanted is None else {name: value for name, value in attributes.items() if name in wanted}
