"""The Leadfeeder token API: accounts, custom feeds, leads, visits, tracking script; see also legacy_*.py.

JSON:API 1.0. `Authorization: Token token=…`; 100 requests a minute for a token, all endpoints together,
until the next minute starts. `page[number]` from 1, `page[size]` 1–100, default 10. Leads stop at the first
10,000. `visits` and `quality` of a lead are of the interval that was asked for. Locations stand in
`included`, once a page.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import legacy_rows as rows
from .faults import Fault
from .feeds import Feed
from .legacy_exports import ExportOptions, Exports
from .legacy_questions import Paging, fieldsets, interval, paging
from .limits import FixedWindow
from .vendor import Json, RefusalError, origin
from .visits import Visit
from .windows import Figures, Window
from .world import Account, DayZone, World

Row = TypeVar("Row", Figures, Visit)

DOCS = "http://docs.leadfeeder.com/api/"
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Premium required",
    403: "Forbidden",
    404: "Not Found",
    429: "Exceeded the API rate limit of 100 requests per minute. Try again later.",
    500: "Internal Server Error",
}
EXPORTS_EXCEEDED = "Exceeded the Export requests rate limit of 5 requests per minute. Try again later."
SCRIPT = (
    "<script>(function(ss,ex){window.ldfdr=window.ldfdr||function(){"
    "(ldfdr._q=ldfdr._q||[]).push([].slice.call(arguments));};"
    "(function(d,s){fs=d.getElementsByTagName(s)[0];function ce(src){var cs=d.createElement(s);cs.src=src;cs.async=1;"
    "fs.parentNode.insertBefore(cs,fs);};ce('https://sc.lfeeder.com/lftracker_v1_'+ss+(ex?'_'+ex:'')+'.js');})"
    "(document,'script');})('%s');</script>"
)


@dataclass
class LegacyOptions:
    """What the document leaves open, and what a test wants otherwise. Change them while it runs."""

    token: str = "sandbox-legacy-token"  # noqa: S105 -- opens nothing
    # None switches a limit off
    requests_per_minute: int | None = 100
    export_requests_per_minute: int | None = 5
    # whose midnight bounds start_date and end_date
    day_zone: DayZone = "account"
    # first and last visit date of a lead: of the interval, or of all time
    bounded_dates: bool = True
    # the document's samples of visits have no links
    visit_links: bool = True
    # the last page's links.next is left out, or null
    last_next: Literal["absent", "null"] = "absent"
    leads_ceiling: int = 10_000
    # what a page of leads beyond the ceiling is: empty, or refused
    past_ceiling: Literal["empty", 400, 416] = "empty"
    # accounts whose data routes answer 402, 403 or 404
    account_status: dict[str, int] = field(default_factory=dict)
    # encoded pages kept for repeated reads; 0 keeps none
    cached_pages: int = 256
    exports: ExportOptions = field(default_factory=ExportOptions)


class LeadfeederLegacy:
    name = "leadfeeder_legacy"

    def __init__(self, world: World, options: LegacyOptions | None = None) -> None:
        self.world = world
        self.options = options or LegacyOptions()
        self.limit = FixedWindow(None, 60, world.clock)
        self.export_limit = FixedWindow(None, 60, world.clock)
        self.exports = Exports(world, self.options.exports, self.exported, lambda: self.options.day_zone)
        self._pages: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    @property
    def routes(self) -> list[BaseRoute]:
        account = "/accounts/{account_id}"
        return [
            Route("/accounts", self.accounts),
            Route(account, self.one_account),
            Route(f"{account}/custom-feeds", self.feeds),
            # the document's sample says custom-feed, its URL line custom-feeds
            Route(f"{account}/custom-feeds/{{feed_id}}", self.one_feed),
            Route(f"{account}/custom-feed/{{feed_id}}", self.one_feed),
            Route(f"{account}/custom-feeds/{{feed_id}}/leads", self.leads),
            Route(f"{account}/leads", self.leads),
            Route(f"{account}/leads/{{lead_id}}", self.one_lead),
            Route(f"{account}/leads/{{lead_id}}/visits", self.visits),
            Route(f"{account}/visits", self.visits),
            Route(f"{account}/website-tracking-script", self.script),
            *self.exports.routes,
        ]

    def settings(self, base_url: str) -> dict[str, str]:
        return {
            "SOURCES__LEADFEEDER_LEGACY__API_TOKEN": self.options.token,
            "SOURCES__LEADFEEDER_LEGACY__BASE_URL": base_url,
        }

    def lift_limits(self) -> None:
        self.options.requests_per_minute = self.options.export_requests_per_minute = None

    def admit(self, request: Request) -> None:
        path = request.scope["path"].removeprefix(request.scope["root_path"])
        # a download is found by its name alone: the document's sample sends no token
        if path.startswith("/download/"):
            return
        if request.headers.get("authorization") != f"Token token={self.options.token}":
            raise RefusalError(401)
        self.limit.limit = self.options.requests_per_minute
        if not self.limit.admit(self.options.token):
            raise RefusalError(429)
        self.export_limit.limit = self.options.export_requests_per_minute
        exports = request.method == "POST" and path == "/export-requests"
        if exports and not self.export_limit.admit(self.options.token):
            raise RefusalError(429, EXPORTS_EXCEEDED)

    def refuse(self, status: int, title: str | None = None) -> Response:
        error: dict[str, Any] = {"title": title or TITLES.get(status) or HTTPStatus(status).phrase}
        if status == 429:
            anchor = "#exporting-feeds" if title == EXPORTS_EXCEEDED else "#rate-limiting"
            error["links"] = {"about": DOCS + anchor}
        return Json({"errors": [error]}, status)

    async def accounts(self, request: Request) -> Response:
        wanted = fieldsets(request.query_params)
        accounts = list(self.world.accounts.values())
        return Json({"data": [rows.account(each, wanted.get("accounts")) for each in accounts]})

    async def one_account(self, request: Request) -> Response:
        account = self.account(request.path_params["account_id"], of_data=False)
        return Json({"data": rows.account(account, fieldsets(request.query_params).get("accounts"))})

    async def feeds(self, request: Request) -> Response:
        account = self.account(request.path_params["account_id"])
        wanted = fieldsets(request.query_params).get("custom_feeds")
        return Json({"data": [rows.feed(each, wanted) for each in account.feeds.values()]})

    async def one_feed(self, request: Request) -> Response:
        account = self.account(request.path_params["account_id"])
        feed = self.feed(account, request.path_params["feed_id"])
        return Json({"data": rows.feed(feed, fieldsets(request.query_params).get("custom_feeds"))})

    async def script(self, request: Request) -> Response:
        account = self.account(request.path_params["account_id"])
        attributes = {
            "script_hash": account.script_hash,
            "script_html": SCRIPT % account.script_hash,
            "timezone": account.timezone,
        }
        place = list(self.world.accounts).index(account.id) + 1
        return Json({"data": {"id": str(place), "type": "website-tracking-scripts", "attributes": attributes}})

    async def one_lead(self, request: Request) -> Response:
        account = self.account(request.path_params["account_id"])
        # all visits there are, and no quality: that is of an interval
        figures = self.world.history(account.id).by_lead.get(request.path_params["lead_id"])
        if figures is None:
            raise RefusalError(404)
        wanted = fieldsets(request.query_params)
        row = rows.lead(account, figures, figures, wanted.get("leads"))
        row["attributes"].pop("quality", None)
        return Json({"data": row, "included": [rows.location(figures.lead.location, wanted.get("locations"))]})

    async def leads(self, request: Request) -> Response:
        account, window, asked = self.question(request)
        ceiling, past = self.options.leads_ceiling, self.options.past_ceiling
        if past != "empty" and asked.begin >= ceiling:
            raise RefusalError(past, f"Only the first {ceiling} leads can be paged through")
        feed_id = request.path_params.get("feed_id") or request.query_params.get("custom_feed_id")
        found = window.of_feed(self.feed(account, feed_id)) if feed_id else window.leads
        all_time = None if self.options.bounded_dates else self.world.history(account.id).by_lead

        def row(figures: Figures, wanted: rows.Wanted) -> dict[str, Any]:
            dates = all_time[figures.lead.id] if all_time else figures
            return rows.lead(account, figures, dates, wanted)

        return self.page(request, asked, window, "leads", found[:ceiling], row, cached=all_time is None)

    async def visits(self, request: Request) -> Response:
        account, window, asked = self.question(request)
        found = window.visits
        if (lead_id := request.path_params.get("lead_id")) is not None:
            if lead_id not in self.world.history(account.id).by_lead:
                raise RefusalError(404)
            found = window.by_lead[lead_id].visits if lead_id in window.by_lead else []

        def row(visit: Visit, wanted: rows.Wanted) -> dict[str, Any]:
            return rows.visit(account, visit, wanted)

        return self.page(request, asked, window, "visits", found, row, linked=self.options.visit_links)

    def account(self, account_id: str, of_data: bool = True) -> Account:
        """The account, unless it is unknown, or has nothing to say on its data routes."""
        if (account := self.world.accounts.get(unquote(account_id))) is None:
            raise RefusalError(404)
        status = self.options.account_status.get(account_id, 402 if account.subscription == "lite" else None)
        if of_data and status is not None:
            raise RefusalError(status)
        return account

    def feed(self, account: Account, feed_id: str) -> Feed:
        if (feed := account.feeds.get(feed_id)) is None:
            raise RefusalError(404)
        return feed

    def exported(self, account_id: str, feed_id: str) -> tuple[Account, Feed]:
        account = self.account(account_id)
        return account, self.feed(account, feed_id)

    def question(self, request: Request) -> tuple[Account, Window, Paging]:
        account = self.account(request.path_params["account_id"])
        start, end = interval(request.query_params)
        return (
            account,
            self.world.window(account.id, start, end, self.options.day_zone),
            paging(request.query_params),
        )

    def page(
        self,
        request: Request,
        asked: Paging,
        window: Window,
        kind: str,
        found: Sequence[Row],
        render: Callable[[Row, rows.Wanted], dict[str, Any]],
        *,
        linked: bool = True,
        cached: bool = True,
    ) -> Response:
        """One page of what was found. A fault may move its rows or turn its links."""
        fault: Fault | None = request.scope.get("sandbox.fault")
        where = f"{origin(request)}{request.url.path}?{request.url.query}"
        key = (window, where, len(found), linked, self.options.last_next)
        cached = cached and fault is None and self.options.cached_pages > 0
        if cached and (known := self._pages.get(key)) is not None:
            self._pages.move_to_end(key)
            return Json(known)
        begin = max(0, asked.begin - (fault.moved_rows(asked.size) if fault else 0))
        shown = found[begin : begin + asked.size]
        wanted = fieldsets(request.query_params)
        answer: dict[str, Any] = {
            "data": [render(each, wanted.get(kind)) for each in shown],
            "included": rows.included((each.lead for each in shown), wanted),
        }
        if linked:
            answer["links"] = self.links(
                request, asked, len(found), looped=fault is not None and fault.name == "loop_link"
            )
        encoded = orjson.dumps(answer)
        if cached:
            self._pages[key] = encoded
            while len(self._pages) > self.options.cached_pages:
                self._pages.popitem(last=False)
        return Json(encoded)

    def links(self, request: Request, asked: Paging, total: int, looped: bool = False) -> dict[str, str | None]:
        """Absolute, brackets percent-encoded, parameters in alphabetical order, as in the samples."""
        last = max(1, -(-total // asked.size))

        def link(number: int) -> str:
            params = {**request.query_params, "page[number]": number, "page[size]": asked.size}
            return f"{origin(request)}{request.url.path}?{urlencode(sorted(params.items()))}"

        links: dict[str, str | None] = {"self": link(asked.number)}
        if looped or asked.number < last:
            links["next"] = link(asked.number if looped else asked.number + 1)
        elif self.options.last_next == "null":
            links["next"] = None
        links["last"] = link(last)
        return links
