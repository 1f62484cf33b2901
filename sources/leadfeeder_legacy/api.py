"""How the token API is asked.

Leadfeeder API, https://docs.leadfeeder.com/api/: 100 requests per minute and token, all endpoints together; pages of
1 to 100 rows; leads stop at the first 10,000 of a query. `links.last` names the last page on leads; the documented
visits pages show no links at all. What comes past row 10,000 is not documented, so no such page is asked for where it
can be helped. `date` and `hour` of a visit are in the account's zone, `started_at` is UTC; which of the two bounds
`start_date` and `end_date` is not documented either.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote, unquote

import msgspec

from ..budget import Limit
from ..errors import AnswerError, CeilingError, MovedError, RequestError
from ..keys import HeaderAuth
from ..meter import Meter
from ..objects import Form, Json, check_text, value_at
from ..pages import Page, walk
from ..session import Session, loads
from ..streams import Account
from ..tables import Table
from ..windows import Days, parse_instant, timezone, today
from . import tables

log = logging.getLogger(__name__)

BASE_URL = "https://api.leadfeeder.com"
REQUESTS_PER_MINUTE = 100
PAGE_SIZE = 100
CEILING_PAGES = 100


@dataclass(frozen=True)
class Endpoint:
    """One address. `pages` is whether it is paged, `ceiling` whether the vendor documents one for it.

    `form` is that of its documents, where there are many of them.
    """

    path: str
    pages: bool = False
    ceiling: bool = False
    form: Form | None = None


LOCATION = "relationships.location.data"


def _form_of(*listed: Table) -> Form:
    return Form(
        {"data": listed, "included": (tables.LOCATIONS,)},
        values=("links", "data.type", f"data.{LOCATION}.type", "included.type"),
    )


ACCOUNTS = Endpoint("/accounts")
TRACKING_SCRIPT = Endpoint("/accounts/{account_id}/website-tracking-script")
CUSTOM_FEEDS = Endpoint("/accounts/{account_id}/custom-feeds")
LEADS = Endpoint(
    "/accounts/{account_id}/leads",
    pages=True,
    ceiling=True,
    form=_form_of(tables.LEADS, tables.LEAD_DAYS, tables.LEAD_TAGS, tables.LEAD_INDUSTRIES),
)
VISITS = Endpoint("/accounts/{account_id}/visits", pages=True, form=_form_of(tables.VISITS, tables.VISIT_PAGES))


def limit(requests_per_minute: int) -> Limit:
    """The token's rate."""
    return Limit(requests_per_minute, timedelta(minutes=1))


def auth(token: str) -> HeaderAuth:
    """`Authorization: Token token=<token>`."""
    return HeaderAuth("Authorization", f"Token token={token}", setting="sources.leadfeeder_legacy.api_token")


def read_error(document: Any) -> str | None:
    """The vendor's words: `errors[].title`."""
    return "; ".join(str(error["title"]) for error in document["errors"])


class _Attributes(msgspec.Struct, gc=False):
    date: Any = None
    started_at: Any = None
    visits: Any = None


class _Row(msgspec.Struct, gc=False):
    id: Annotated[str, msgspec.Meta(min_length=1)] | int
    attributes: _Attributes | None = None


class Head(msgspec.Struct, gc=False):
    """What a walk has to know of a page; most of it is not read."""

    data: list[_Row]
    links: Any = None

    @property
    def is_dated(self) -> bool:
        """Whether all of its rows, which are visits, have a date."""
        return all(row.attributes is not None and row.attributes.date for row in self.data)


@dataclass(frozen=True)
class Document:
    """A page as it came, and what a walk has to know of it: a `Head`, or all of it where it is not like one."""

    content: bytes
    head: Json


def _document(content: bytes) -> Document:
    """What was answered; raises ValueError where it is not JSON."""
    # what is not looked at is not decoded otherwise
    check_text(content)
    try:
        return Document(content, _read_head(content))
    except msgspec.DecodeError:
        return Document(content, loads(content))


_PAGE_NUMBER = re.compile(r"[?&]page\[number\]=([0-9]+)(?:[&#]|$)")
_read_head = msgspec.json.Decoder(Head).decode


class Api:
    """The token API's endpoints, whole: every method returns all rows or raises."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def accounts(self, meter: Meter) -> list[dict[str, Any]]:
        """Every account that the token can see."""
        return self._list(ACCOUNTS, meter)

    def tracking_scripts(self, account: Account, meter: Meter) -> list[dict[str, Any]]:
        """The account's tracking script, as a list of one, or of none."""
        return self._list(TRACKING_SCRIPT, meter, account, may_be_none=True)

    def custom_feeds(self, account: Account, meter: Meter) -> list[dict[str, Any]]:
        """The account's feeds with their criteria."""
        return self._list(CUSTOM_FEEDS, meter, account)

    @property
    def ahead(self) -> int:
        """How many pages may be read side by side."""
        return self._session.ahead

    def pages(
        self,
        endpoint: Endpoint,
        account: Account,
        days: Days,
        meter: Meter,
        *,
        ceiling: bool,
        ahead: int,
        first: Page | None = None,
    ) -> Iterator[Page]:
        """The pages of a window, each row once, `ahead` of them side by side; the `first` may be there already.

        With `ceiling`, raises CeilingError before more than 10,000 rows are read; without, an undocumented ceiling
        that shows itself past them raises it as well.
        """

        def fetch(number: int) -> Page:
            try:
                page = self.page(endpoint, account, days, meter, number)
            except RequestError as error:
                if number > CEILING_PAGES:
                    raise CeilingError(f"page {number} cannot be had: {error.message}", pages=number) from None
                raise
            if number > CEILING_PAGES and not page.items:
                raise CeilingError(f"nothing comes after {PAGE_SIZE * CEILING_PAGES:,} rows", pages=number)
            return page

        return walk(
            fetch,
            size=PAGE_SIZE,
            pool=self._session.pool,
            ahead=ahead,
            ceiling=CEILING_PAGES if ceiling else None,
            first=first,
        )

    def page(self, endpoint: Endpoint, account: Account, days: Days, meter: Meter, number: int = 1) -> Page:
        """One page of a window, with the number of the last one where the vendor names it."""
        path = _path(endpoint, account.id)
        params: dict[str, str | int] = {
            "start_date": days.first.isoformat(),
            "end_date": days.last.isoformat(),
            "page[size]": PAGE_SIZE,
            "page[number]": number,
        }
        document = self._session.get(path, params, meter=meter, check=_check_list, read=_document)
        return _page(document, number)

    def _list(
        self, endpoint: Endpoint, meter: Meter, account: Account | None = None, *, may_be_none: bool = False
    ) -> list[dict[str, Any]]:
        def check(document: Any) -> None:
            # JSON:API's null stands for an object that is not there
            if not (may_be_none and isinstance(document, dict) and document.get("data", ...) is None):
                _check_any(document)

        path = _path(endpoint, account.id if account else "")
        data = self._session.get(path, meter=meter, check=check)["data"]
        return data if isinstance(data, list) else [data] if data is not None else []


def parse_accounts(documents: list[dict[str, Any]]) -> list[Account]:
    """Ids and zones; an unknown zone is worth a warning, because the account's days are then UTC's."""
    accounts = []
    for document in documents:
        name = (document.get("attributes") or {}).get("timezone")
        zone = timezone(name) if isinstance(name, str) else None
        if zone is None:
            log.warning("account %s: time zone %r is not known; UTC is used for its days", document["id"], name)
        accounts.append(Account(str(document["id"]), zone))
    return accounts


def with_day(visit: Json, account: Account) -> Json:
    """The visit with its `date` (deprecated by the vendor), taken from `started_at` where it is missing."""
    attributes = visit.get("attributes")
    if not isinstance(attributes, dict):
        raise AnswerError("a visit has no attributes")
    if not attributes.get("date"):
        started = attributes.get("started_at")
        if not started:
            raise AnswerError(f"visit {visit['id']} has neither date nor started_at")
        try:
            attributes["date"] = today(parse_instant(str(started)), account.zone).isoformat()
        except ValueError:
            raise AnswerError(f"visit {visit['id']} started at {started!r}, which is no instant") from None
    return visit


def _path(endpoint: Endpoint, account_id: str) -> str:
    return endpoint.path.format(account_id=quote(account_id, safe=""))


def _check_any(document: Json) -> None:
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, (list, dict)):
        raise AnswerError("the answer has no data")
    items = data if isinstance(data, list) else [data]
    if not all(isinstance(item, dict) and item.get("id") not in (None, "") for item in items):
        raise AnswerError("the answer holds something that has no id")


def _check_list(document: Document) -> None:
    if isinstance(document.head, Head):
        # it has been checked as it was read
        return
    _check_any(document.head)
    if not isinstance(document.head["data"], list):
        raise AnswerError("the answer's data is not a list")


def _page(document: Document, number: int) -> Page:
    items, links = value_at(document.head, "data"), value_at(document.head, "links")
    links = links if isinstance(links, dict) else {}
    following, last = _page_number(links.get("next")), _page_number(links.get("last"))
    if following is not None and following <= number:
        raise MovedError(f"page {number} names page {following} as the next one")
    if links.get("next"):
        # a link that names no page, or one after the last, is still one
        return Page(items, document, last=None if last is None or last <= number else last, more=True)
    # where nothing is said of other pages, a page that is not full is the last
    told = last is not None or "next" in links
    return Page(items, document, last=last, more=False if told else None)


def _page_number(link: object) -> int | None:
    # only the number is taken: the link's host and path are the vendor's to get wrong. JSON:API has two forms
    link = link.get("href") if isinstance(link, dict) else link
    found = _PAGE_NUMBER.search(unquote(link)) if isinstance(link, str) else None
    return int(found[1]) if found else None
