"""The Leadfeeder `/v1` API: accounts, web visits, visitor companies, custom feeds, usage; see also leadfeeder_*.py.

`X-Api-Key: …`; 10 requests a second for a key, bursts to 15, and 100,000 a month. `account_id` is a
parameter on nearly every route. Days are UTC's, `start_date` and `end_date` included; the visits asked for
are the token API's, in other shapes: a visit refers to its company and, with the place inline, to its location.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import leadfeeder_rows as rows
from .companies import Lead
from .feeds import Feed
from .leadfeeder_answers import Answers, LeadfeederOptions, body_of, included
from .leadfeeder_legacy import SCRIPT
from .leadfeeder_lists import Lists, attributes
from .leadfeeder_paid import Paid
from .legacy_questions import interval
from .limits import MonthlyQuota, TokenBucket
from .vendor import RefusalError
from .visits import Visit
from .windows import Figures, Window
from .world import Account, World

# what an account's other programs ask in a month
ENDPOINTS = (
    ("GET", "/v1/accounts", 60),
    ("POST", "/v1/web-visits", 9_000),
    ("GET", "/v1/web-visits/companies", 2_500),
    ("GET", "/v1/web-visits/custom-feeds", 120),
    ("GET", "/v1/tags", 90),
)
KEPT_FILTERED = 64


class Leadfeeder:
    name = "leadfeeder"

    def __init__(self, world: World, options: LeadfeederOptions | None = None) -> None:
        self.world = world
        self.options = options or LeadfeederOptions()
        self.bucket = TokenBucket(None, 1, world.clock)
        self.quota = MonthlyQuota(None, world.clock)
        self.answers = Answers(world, self.options)
        self.lists = Lists(self.answers)
        self.paid = Paid(self.answers)
        self._filtered: dict[tuple[object, ...], list[Visit]] = {}

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route("/accounts", self.accounts),
            Route("/web-visits", self.visits, methods=["POST"]),
            Route("/web-visits/companies", self.visitor_companies),
            Route("/web-visits/custom-feeds", self.feeds),
            *self.lists.routes,
            *self.paid.routes,
            Route("/usage", self.usage),
            Route("/{path:path}", self.elsewhere),
        ]

    def settings(self, base_url: str) -> dict[str, str]:
        return {
            "SOURCES__LEADFEEDER__API_KEY": self.options.api_key,
            "SOURCES__LEADFEEDER__BASE_URL": base_url,
        }

    def lift_limits(self) -> None:
        self.options.requests_per_second = self.options.requests_per_month = None

    def admit(self, request: Request) -> None:
        options = self.options
        if request.headers.get("x-api-key") != options.api_key:
            raise RefusalError(401)
        self.bucket.rate, self.bucket.burst = options.requests_per_second, options.burst
        if not self.bucket.admit():
            raise RefusalError(429)
        self.quota.limit = options.requests_per_month
        if not self.quota.admit():
            raise RefusalError(429, "quota_exceeded")
        path = _path(request)
        if any(fnmatchcase(path, each) for each in options.unentitled):
            raise RefusalError(403)

    def refuse(self, status: int, title: str | None = None) -> Response:
        return self.answers.refusal(status, title)

    async def accounts(self, request: Request) -> Response:
        """All of them, whatever page is asked for; or one, with its credits."""
        if "account_id" not in request.query_params:
            return self.answers.of([self.account_row(each) for each in self.world.accounts.values()])
        account = self.answers.account(request, of_data=False)
        available, used = self.answers.available(account), self.answers.used.get(account.id, 0)
        today = self.world.today
        reset = date(today.year + today.month // 12, today.month % 12 + 1, 1)
        credits_left = {
            "available": available,
            "used": used,
            "remaining": available - used,
            "next_reset_on": reset.isoformat(),
        }
        row = self.account_row(account)
        return self.answers.of([row | {"type": "account", "attributes": row["attributes"] | {"credits": credits_left}}])

    def account_row(self, account: Account) -> dict[str, Any]:
        return rows.row("account_summary", account.id, {"name": account.name, **account.extra.get("accounts", {})})

    async def visits(self, request: Request) -> Response:
        account = self.answers.account(request)
        asked = await body_of(request)
        window = self.window(
            account, {name: str(asked[name]) for name in ("start_date", "end_date") if asked.get(name)}
        )
        filters, found = self.filtered(window, asked.get("filters") or {})
        with_company = "company" in included(request)

        def row(visit: Visit) -> dict[str, Any]:
            relationships = self.relationships(visit.lead, with_company)
            return rows.row("web_visit", visit.id, rows.visit(account, visit), relationships)

        return self.answers.numbered(request, found, row, (window, "visits", filters, with_company))

    async def visitor_companies(self, request: Request) -> Response:
        account = self.answers.account(request)
        window = self.window(account, request.query_params)
        feed_id = request.query_params.get("custom_feed_id")
        found = window.leads
        if feed_id:
            if (feed := account.feeds.get(feed_id)) is None:
                raise RefusalError(404)
            found = window.of_feed(feed)
        with_company = "company" in included(request)

        def row(figures: Figures) -> dict[str, Any]:
            lead = figures.lead
            attributes = {"name": lead.company.name, **account.extra.get("leads", {})}
            id_ = f"{rows.company_id(lead.company.number)}-{lead.location.id}"
            return rows.row("company_location", id_, attributes, self.relationships(lead, with_company))

        return self.answers.numbered(request, found, row, (window, "companies", feed_id, with_company))

    def window(self, account: Account, params: Mapping[str, str]) -> Window:
        start, end = interval(params)
        return self.world.window(account.id, start, end, "utc")

    def filtered(self, window: Window, filters: Any) -> tuple[object, list[Visit]]:
        """The visits that pass all filters, and what tells these filters from others."""
        if not isinstance(filters, dict):
            raise RefusalError(400, "filters must be an object")
        wanted = {
            name: frozenset(map(str, value if isinstance(value, list) else [value]))
            for name in ("company_id", "location_country_codes", "location_cities")
            if (value := filters.get(name))
        }
        if not wanted:
            return None, window.visits
        known = tuple(sorted(wanted.items(), key=lambda each: each[0]))
        if (key := (window, known)) not in self._filtered:
            while len(self._filtered) >= KEPT_FILTERED:
                del self._filtered[next(iter(self._filtered))]
            self._filtered[key] = [visit for visit in window.visits if _passes(visit.lead, wanted)]
        return known, self._filtered[key]

    def relationships(self, lead: Lead, with_company: bool) -> dict[str, Any]:
        related, company = self.answers.related, lead.company
        return {
            "company": related(
                "company", rows.company_id(company.number), rows.company(company) if with_company else None
            ),
            "location": related("location", lead.location.id, rows.place(lead.location)),
        }

    async def feeds(self, request: Request) -> Response:
        account = self.answers.account(request)
        include = included(request)
        return self.answers.of([self.feed_row(account, each, include) for each in account.feeds.values()])

    def feed_row(self, account: Account, feed: Feed, include: frozenset[str]) -> dict[str, Any]:
        nothing = {"data": None} if self.options.relationships == "data" else None
        relationships: dict[str, Any] = {"folder": nothing, "connected_list": nothing}
        if (folder := rows.folder_of(feed)) is not None:
            inline = {"name": folder[1]} if "folder" in include else None
            relationships["folder"] = self.answers.related("custom_feed_folder", folder[0], inline)
        if feed.id == "followed_companies" and (connected := self.lists.connected(account)) is not None:
            shown = attributes(connected) if "connected_list" in include else None
            relationships["connected_list"] = self.answers.related("list", connected.id, shown)
        return rows.row("custom_feed", feed.id, rows.feed(feed), relationships)

    async def usage(self, request: Request) -> Response:
        """Requests by endpoint and month, in the months of the story that were asked for."""
        account = self.answers.account(request)
        start, end = _month(request, "start_period"), _month(request, "end_period")
        if start > end:
            raise RefusalError(400, "start_period must not be after end_period")
        today = self.world.today
        months = range(max(start, _months(self.world.first_day)), min(end, _months(today)) + 1)
        found = []
        for month in months:
            period = f"{month // 12:04}-{month % 12 + 1:02}"
            part = today.day / 31 if month == _months(today) else 1.0
            for method, endpoint, usual in ENDPOINTS:
                luck = Random(f"{self.world.seed}:{account.id}:usage:{period}:{method} {endpoint}").uniform(0.5, 1.5)
                told = {
                    "endpoint": endpoint,
                    "method": method,
                    "period": period,
                    "requests_count": round(usual * luck * part),
                    "credits_charged": 0,
                }
                found.append(rows.row("api_usage", f"{period}:{method}:{endpoint}", told))
        return self.answers.of(found)

    async def elsewhere(self, request: Request) -> Response:
        """What the page list names without a path: there when an option gives it one."""
        known: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "custom_feed_folders": rows.folders,
            "custom_fields": rows.custom_fields,
            "industries": rows.industries,
            "nace_codes": rows.nace_codes,
        }
        path = _path(request)
        what = next((name for name, each in self.options.paths.items() if each == path), None)
        if what is None:
            raise RefusalError(404, "path_not_found")
        if what == "tracker_script":
            account = self.answers.account(request)
            script = {"script_hash": account.script_hash, "script_html": SCRIPT % account.script_hash}
            return self.answers.of(rows.row("web_visits_tracker_script", account.id, script))
        if what not in ("industries", "nace_codes"):
            self.answers.account(request)
        return self.answers.of(known[what]())


def _path(request: Request) -> str:
    return str(request.scope["path"]).removeprefix(str(request.scope["root_path"]))


def _passes(lead: Lead, wanted: dict[str, frozenset[str]]) -> bool:
    values = {
        "company_id": rows.company_id(lead.company.number),
        "location_country_codes": lead.location.country_code,
        "location_cities": lead.location.city,
    }
    return all(values[name] in among for name, among in wanted.items())


def _month(request: Request, name: str) -> int:
    text = request.query_params.get(name)
    if not text:
        raise RefusalError(400, f"{name} is required")
    try:
        return _months(datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date())
    except ValueError:
        raise RefusalError(400, f"{name} must be a month (yyyy-mm)") from None


def _months(day: date) -> int:
    return day.year * 12 + day.month - 1
