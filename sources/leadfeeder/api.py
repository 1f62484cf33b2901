"""How the `/v1` API is asked.

Leadfeeder API, https://docs.leadfeeder.com/: 10 requests per second and key, bursts to 15, 100,000 a month. Answers are
`{data, meta}`. What follows a page stands in `meta.pagination`, or in `meta` itself: `page_count` where pages have
numbers, `next_cursor` where they have cursors. A numbered route answers 416 for what lies past its first 10,000 rows.
Relationships are `{id, type}`, with `attributes` inline where they were asked for; JSON:API's own form, `{data: {…}}`
and `included`, is understood as well. `meta.credits.charged` is what an answer has cost.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from math import ceil
from typing import Any, Literal

from ..budget import Limit
from ..columns import as_json
from ..errors import (
    AccessError,
    AnswerError,
    CeilingError,
    CountError,
    MovedError,
    NotEntitledError,
    QuotaError,
    RequestError,
    SourceError,
)
from ..keys import HeaderAuth
from ..meter import Meter
from ..pages import Page, settled, side_by_side, walk
from ..session import Session
from ..streams import Account
from ..windows import Days

BASE_URL = "https://api.leadfeeder.com/v1"
REQUESTS_PER_SECOND = 10
REQUESTS_PER_MONTH = 100_000
# a limit of so many seconds turns as often
TURN = timedelta(seconds=1)
PAGE_SIZE = 100
CEILING_PAGES = 100
# pages of a cursor that may bring nothing new, one after another
IDLE_PAGES = 3

ACCOUNTS = "/accounts"
CUSTOM_FEEDS = "/web-visits/custom-feeds"
VISITS = "/web-visits"
VISITOR_COMPANIES = "/web-visits/companies"
TAGS = "/tags"
LISTS = "/lists"
LIST_ITEMS = "/lists/{}/items"
USAGE = "/usage"

Params = Mapping[str, str | int]
Json = dict[str, Any]
Ask = Callable[[Params], Json]
Paging = Literal["number", "cursor"]


def limits(requests_per_second: int) -> tuple[Limit, ...]:
    """The key's rate, also kept by the half second: fewer requests that were held up arrive together with the next."""
    second = Limit(requests_per_second, TURN)
    return (Limit(ceil(requests_per_second / 2), TURN / 2), second) if requests_per_second > 1 else (second,)


def auth(key: str) -> HeaderAuth:
    """`X-Api-Key: <key>`."""
    return HeaderAuth("X-Api-Key", key, setting="sources.leadfeeder.api_key")


def read_error(document: Any) -> str | None:
    """The vendor's words, in any of its three shapes: `{errors: [{…}]}`, `{error: {…}}`, `{code, message}`."""
    said = [
        ": ".join(str(error[name]) for name in ("code", "title", "message", "detail") if error.get(name))
        for error in _errors(document)
    ]
    return "; ".join(filter(None, said)) or None


def refusal(status: int, document: Any) -> SourceError | None:
    """What an error's code says beyond its status."""
    codes = {str(error.get("code")) for error in _errors(document)}
    words = read_error(document) or f"the vendor answered {status}"
    if "insufficient_entitlements" in codes:
        return NotEntitledError(words)
    if "insufficient_scope" in codes:
        return AccessError(words, status=status, remedy="give the key this right in Leadfeeder, or make another one")
    if "quota_exceeded" in codes:
        return QuotaError(words, remedy="run again when the vendor's month is new")
    if "offset_exceeded" in codes:
        return RequestError(words, status=416)
    return None


def paging(document: Json) -> Json:
    """What the answer says of its paging, wherever that stands."""
    meta = document.get("meta") or {}
    return meta["pagination"] if isinstance(meta.get("pagination"), dict) else meta


class Api:
    """The `/v1` API's endpoints, whole: every method returns all rows or raises.

    What an answer has cost is added to the meter, and told to `charged`.
    """

    def __init__(self, session: Session, charged: Callable[[int], None]) -> None:
        self._session = session
        self._charged = charged

    @property
    def ahead(self) -> int:
        """How many pages may be read side by side."""
        return self._session.ahead

    def each(self, ids: Sequence[str], ask: Callable[[str], Json]) -> Iterator[tuple[str, "Future[Json]"]]:
        """Ask for several objects at once."""
        return side_by_side(self._session.pool, ids, ask, ahead=len(ids))

    def one(self, path: str, meter: Meter, params: Params | None = None, *, price: int = 0) -> Json:
        """A single object. It has cost its `price` where the answer does not say what it has cost."""
        found = self._get(path, params or {}, meter, price)["data"]
        if len(found) != 1:
            raise AnswerError(f"{path} answered with {len(found)} objects in place of one")
        return dict(found[0])

    def listed(
        self, path: str, meter: Meter, params: Params | None = None, *, by: Paging | None = "number"
    ) -> list[Json]:
        """All rows of a list, by whatever the answer says of further pages: numbers, a cursor, or nothing.

        A list whose pages are told apart `by` nothing is asked for without one; if it turns out to have pages, they are
        read all the same. Where the answer says nothing, those of a numbered list go on after a full one.
        """
        size = {"page[size]": PAGE_SIZE} if by else {}

        def ask(more: Params) -> Json:
            return self._get(path, {**(params or {}), **size, **more}, meter)

        return settled(lambda ahead: self._all(ask, ahead, by), self.ahead)

    def search(self, path: str, question: Json, meter: Meter, params: Params) -> list[Json]:
        """All rows that a search finds."""

        def ask(more: Params) -> Json:
            return self._query(path, question, {**params, "page[size]": PAGE_SIZE, **more}, meter)

        return settled(lambda ahead: self._all(ask, ahead, "cursor"), self.ahead)

    def visits(
        self,
        account: Account,
        days: Days,
        meter: Meter,
        *,
        ahead: int,
        include: str = "",
        countries: Sequence[str] = (),
    ) -> Iterator[Page]:
        """The pages of the visits of some days, each visit once. Raises CeilingError where there are too many."""
        question = _visits_of(days)
        if countries:
            question["filters"] = {"location_country_codes": list(countries)}
        params = _params(account, include=include)
        return self._numbered(lambda more: self._query(VISITS, question, {**params, **more}, meter), ahead)

    def visits_of(self, account: Account, days: Days, meter: Meter) -> int | None:
        """How many visits the vendor counts on some days."""
        params = {**_params(account), "page[size]": 1, "page[num]": 1}
        return _count(self._query(VISITS, _visits_of(days), params, meter))

    def companies_of(self, account: Account, days: Days, meter: Meter) -> int | None:
        """How many companies the vendor counts in the visits of some days."""
        params = {**_params(account), **_visits_of(days), "page[size]": 1, "page[num]": 1}
        return _count(self._get(VISITOR_COMPANIES, params, meter))

    def visitor_companies(
        self, account: Account, days: Days, meter: Meter, *, ahead: int, include: str = "", feed: str | None = None
    ) -> Iterator[Page]:
        """The pages of the companies that visited in some days. Raises CeilingError where there are too many."""
        span = {"start_date": days.first.isoformat(), "end_date": days.last.isoformat()}
        params = {**_params(account, include=include, custom_feed_id=feed or ""), **span}
        return self._numbered(lambda more: self._get(VISITOR_COMPANIES, {**params, **more}, meter), ahead)

    def _all(self, ask: Ask, ahead: int, by: Paging | None) -> list[Json]:
        first = ask({})
        if paging(first).get("next_cursor"):
            return _by_cursor(ask, first)
        held: list[Json] = [first]

        def fetch(number: int) -> Page:
            page = _page(held.pop() if held and number == 1 else ask({"page[num]": number} if number > 1 else {}))
            if page.last is None and (by != "number" or "next_cursor" in paging(page.document)):
                return Page(page.items, page.document, more=False)
            return page

        found = walk(fetch, size=PAGE_SIZE, pool=self._session.pool, ahead=ahead, identify=_identity)
        return [item for page in found for item in page.items]

    def _numbered(self, ask: Ask, ahead: int) -> Iterator[Page]:
        known = CEILING_PAGES

        def fetch(number: int) -> Page:
            nonlocal known
            try:
                page = _page(ask({"page[size]": PAGE_SIZE, "page[num]": number}))
            except RequestError as error:
                if error.status != 416:
                    raise
                raise CeilingError(error.message, pages=max(known, number)) from None
            known = page.last or known
            return page

        return walk(fetch, size=PAGE_SIZE, pool=self._session.pool, ahead=ahead, ceiling=CEILING_PAGES, identify=id_of)

    def _get(self, path: str, params: Params, meter: Meter, price: int = 0) -> Json:
        return self._read(self._session.get(path, params, meter=meter, check=_check), meter, price)

    def _query(self, path: str, question: Json, params: Params, meter: Meter) -> Json:
        return self._read(self._session.query(path, question, params, meter=meter, check=_check), meter)

    def _read(self, document: Json, meter: Meter, price: int = 0) -> Json:
        credits_of = (document.get("meta") or {}).get("credits")
        told = _number(credits_of.get("charged")) if isinstance(credits_of, dict) else None
        if told is not None or price:
            charged = price if told is None else told
            meter.add(credits_charged=charged)
            self._charged(charged)
        return _plain(document)


def parse_accounts(documents: list[Json]) -> list[Account]:
    """Their ids; the vendor tells no time zone, its days are UTC's."""
    return [Account(id_of(document)) for document in documents]


def id_of(item: Json) -> str:
    """The item's id; raises AnswerError where it has none."""
    if item.get("id") in (None, ""):
        raise AnswerError("the answer holds something that has no id")
    return str(item["id"])


def ends(items: Iterable[Json], name: str) -> list[Json]:
    """What the items' relationships of that name lead to, each once, as far as its attributes came along."""
    found = ((item.get("relationships") or {}).get(name) for item in items)
    return list({str(end.get("id")): end for end in found if isinstance(end, dict) and end.get("attributes")}.values())


def _params(account: Account, **more: str) -> dict[str, str | int]:
    return {"account_id": account.id, **{name: value for name, value in more.items() if value}}


def _visits_of(days: Days) -> Json:
    return {"start_date": days.first.isoformat(), "end_date": days.last.isoformat()}


def _by_cursor(ask: Ask, page: Json) -> list[Json]:
    """The rows from a first page on, cursor by cursor. Raises MovedError where cursors turn or rows move."""
    found = {_identity(item): item for item in page["data"]}
    received, repeated, idle = len(page["data"]), 0, 0
    seen = set()
    while cursor := paging(page).get("next_cursor"):
        if cursor in seen:
            raise MovedError("a cursor leads back to where it has been")
        if idle >= IDLE_PAGES:
            raise MovedError(f"{idle} pages after one another bring nothing new, and name another one")
        seen.add(cursor)
        page = ask({"page[cursor]": str(cursor)})
        shown = {_identity(item): item for item in page["data"]}
        idle = 0 if shown.keys() - found.keys() else idle + 1
        received += len(page["data"])
        repeated += len(shown.keys() & found.keys())
        found |= shown
    if repeated:
        raise MovedError(f"{repeated} rows came twice: rows moved while they were read")
    total = _count(page)
    # a row that one page shows twice may have been counted twice
    if total not in (None, len(found), received):
        raise CountError(f"the vendor counts {total:,} rows and shows {len(found):,}")
    return list(found.values())


def _number(value: object) -> int | None:
    """A number in any form, in whole credits; None where there is none."""
    try:
        return ceil(float(str(value)))
    except (ValueError, OverflowError):
        return None


def _count(document: Json, name: str = "total_count") -> int | None:
    text = str(paging(document).get(name))
    return int(text) if text.isdecimal() else None


def _page(document: Json) -> Page:
    return Page(document["data"], document, last=_count(document, "page_count"), total=_count(document))


def _identity(item: Json) -> object:
    return id_of(item) if item.get("id") else as_json(item)


def _errors(document: Any) -> list[Json]:
    if not isinstance(document, dict):
        return []
    found = document.get("errors") or document.get("error") or document
    return [error for error in (found if isinstance(found, list) else [found]) if isinstance(error, dict)]


def _check(document: Any) -> None:
    if not isinstance(document, dict) or not isinstance(document.get("data"), (list, dict)):
        raise AnswerError("the answer has no data")
    items = document["data"] if isinstance(document["data"], list) else [document["data"]]
    if not all(isinstance(item, dict) for item in items):
        raise AnswerError("the answer holds something that is no object")
    if not isinstance(document.get("meta") or {}, dict):
        raise AnswerError("the answer's meta is no object")
    included = document.get("included") or []
    if not isinstance(included, list) or not all(isinstance(each, dict) for each in included):
        raise AnswerError("what the answer includes is no list of objects")
    for name in ("attributes", "relationships"):
        if not all(isinstance(item.get(name) or {}, dict) for item in items):
            raise AnswerError(f"an item's {name} are no object")


def _named(each: Json) -> tuple[str, str]:
    return str(each.get("type")), str(each.get("id"))


def _plain(document: Json) -> Json:
    """The answer with its data as a list, and its relationships in the bare form with what is included inline."""
    items = document["data"] if isinstance(document["data"], list) else [document["data"]]
    included = {_named(each): each for each in document.get("included") or ()}
    for item in items:
        for name, end in (item.get("relationships") or {}).items():
            bare = end["data"] if isinstance(end, dict) and "data" in end else end
            if isinstance(bare, dict) and "attributes" not in bare:
                bare = {**included.get(_named(bare), {}), **bare}
            item["relationships"][name] = bare
    return {**document, "data": items}
