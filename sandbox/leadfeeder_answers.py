"""What all answers of the `/v1` API have in common: the envelope, two ways of paging, errors, accounts, credits.

`{data, meta}` with `meta.request_id` always. Page numbers: `page[num]` from 1, `page[size]` 1–100, default
20, and 416 for what lies beyond the first 10,000 rows. Cursors: `page[cursor]`, until `next_cursor` is null.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any, Literal, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from .companies import uuid_of
from .faults import Fault
from .vendor import Json, RefusalError
from .world import Account, World

Row = TypeVar("Row")

# what a refusal says: its code, when its status has several, and the code's title
CODES = {
    400: "invalid_request",
    401: "unauthorized",
    402: "payment_required",
    403: "insufficient_entitlements",
    404: "entity_not_found",
    405: "method_not_allowed",
    416: "offset_exceeded",
    500: "internal_error",
}
TITLES = {
    "invalid_request": "The request is not valid",
    "unauthorized": "The API key is missing or wrong",
    "payment_required": "The subscription does not cover this",
    "insufficient_credits": "There are not enough credits left",
    "insufficient_entitlements": "The plan does not include this",
    "insufficient_scope": "The API key does not allow this",
    "entity_not_found": "There is no such entity",
    "path_not_found": "There is no such path",
    "offset_exceeded": "The offset lies beyond the rows that can be paged through",
    "rate_limit_exceeded": "Too many requests in this second",
    "too_many_requests": "Too many requests in this second",
    "quota_exceeded": "The requests of this month are used up",
    "internal_error": "Something went wrong",
}
YEAR = 365 * 24 * 3600
CREDITS = 1000
# what follows a request id in an encoded answer
END = b'"}}'
_TAIL = 36 + len(END)


@dataclass
class LeadfeederOptions:
    """What the document leaves open, and what a test wants otherwise. Change them while it runs."""

    api_key: str = "sandbox-leadfeeder-key"
    # None switches a limit off
    requests_per_second: float | None = 10
    burst: int = 15
    requests_per_month: int | None = 100_000
    # the code of 429 for the requests of a second, and its Retry-After
    limit_code: Literal["rate_limit_exceeded", "too_many_requests"] = "rate_limit_exceeded"
    retry_after: int | str | None = None
    # relationships as {id, type}, or wrapped in `data` as JSON:API has it
    relationships: Literal["bare", "data"] = "bare"
    # page_num and the like stand in meta.pagination, or in meta itself
    paging_block: Literal["pagination", "meta"] = "pagination"
    # {errors: [{code, title, detail}]}, {error: {code, message}}, or {code, message}
    error_shape: Literal["errors", "error", "flat"] = "errors"
    # rows that page numbers reach
    ceiling: int = 10_000
    # accounts whose data routes answer 402, 403 or 404
    account_status: dict[str, int] = field(default_factory=dict)
    # globs of paths that the plan does not include
    unentitled: list[str] = field(default_factory=list)
    # paths of what has no known path: custom_feed_folders, tracker_script, custom_fields, industries, nace_codes
    paths: dict[str, str] = field(default_factory=dict)
    # an account's credits, where they are not 1,000
    credits: dict[str, int] = field(default_factory=dict)
    # what GET /ip/enrich charges for a company it finds
    enrich_price: int = 1
    # encoded pages kept for repeated reads; 0 keeps none
    cached_pages: int = 256


class Answers:
    """Writes what the parts of the vendor answer."""

    def __init__(self, world: World, options: LeadfeederOptions) -> None:
        self.world = world
        self.options = options
        # credits by account
        self.used: dict[str, int] = {}
        self._subscribed: dict[tuple[str, str], float] = {}
        self._random = Random(world.seed)
        self._pages: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def of(self, data: Any, **meta: Any) -> Response:
        return Json({"data": data, "meta": {**meta, "request_id": uuid_of(self._random)}})

    def numbered(
        self,
        request: Request,
        found: Sequence[Row],
        render: Callable[[Row], dict[str, Any]],
        key: tuple[object, ...] | None = None,
    ) -> Response:
        """A page by its number; it is kept under the `key` of what was asked. A fault may move its rows."""
        number, size = _integer(request, "page[num]", 1), page_size(request)
        if number < 1:
            raise RefusalError(400, "page[num] must be at least 1")
        options = self.options
        if number * size > options.ceiling:
            raise RefusalError(416, f"Only the first {options.ceiling} rows can be paged through")
        fault: Fault | None = request.scope.get("sandbox.fault")
        where = None
        if key is not None and fault is None and options.cached_pages > 0:
            where = (*key, number, size, options.relationships, options.paging_block)
            if (known := self._pages.get(where)) is not None:
                self._pages.move_to_end(where)
                return self._sealed(known)
        begin = max(0, (number - 1) * size - (fault.moved_rows(size) if fault else 0))
        total = len(found) + (fault.counted_rows if fault else 0)
        place = {"page_num": number, "page_count": -(-len(found) // size), "total_count": total}
        answer = {"data": [render(each) for each in found[begin : begin + size]], "meta": self._paging(place)}
        encoded = self._open(answer)
        if where is not None:
            self._pages[where] = encoded
            while len(self._pages) > options.cached_pages:
                self._pages.popitem(last=False)
        return self._sealed(encoded)

    def cursored(
        self, request: Request, found: Sequence[Row], render: Callable[[Row], dict[str, Any]], **meta: Any
    ) -> Response:
        """A page from a cursor on. A fault may move its rows or turn the cursor."""
        begin, size = _begin(request), page_size(request)
        fault: Fault | None = request.scope.get("sandbox.fault")
        turned = fault is not None and fault.name == "loop_link"
        following = begin if turned else begin + size
        place = {
            "next_cursor": _cursor(following) if following < len(found) else None,
            "total_count": len(found) + (fault.counted_rows if fault else 0),
        }
        begin = max(0, begin - (fault.moved_rows(size) if fault else 0))
        rows = [render(each) for each in found[begin : begin + size]]
        return self._sealed(self._open({"data": rows, "meta": {**meta, **self._paging(place)}}))

    def refusal(self, status: int, text: str | None) -> Response:
        """`text` is a code, or a detail of the status's usual one."""
        code = text if text in TITLES else self.options.limit_code if status == 429 else CODES.get(status)
        code = code or HTTPStatus(status).phrase.lower().replace(" ", "_")
        title = TITLES.get(code, HTTPStatus(status).phrase)
        detail = text if text != code else None
        told = {"code": code, "message": detail or title}
        answer: dict[str, Any]
        match self.options.error_shape:
            case "errors":
                answer = {"errors": [{"code": code, "title": title} | ({"detail": detail} if detail else {})]}
                if status == 401:
                    answer["error"] = told
            case "error":
                answer = {"error": told}
            case "flat":
                answer = dict(told)
        answer["meta"] = {"request_id": uuid_of(self._random)}
        refused = Json(answer, status)
        if status == 429 and code != "quota_exceeded" and self.options.retry_after is not None:
            refused.headers["Retry-After"] = str(self.options.retry_after)
        return refused

    def related(self, kind: str, id_: str, attributes: dict[str, Any] | None = None) -> dict[str, Any]:
        """A relationship, with the attributes of what it leads to inline where they are wanted."""
        end: dict[str, Any] = {"id": id_, "type": kind}
        if attributes is not None:
            end["attributes"] = attributes
        return {"data": end} if self.options.relationships == "data" else end

    def account(self, request: Request, of_data: bool = True) -> Account:
        """The account asked for, unless it is unknown, or has nothing to say on its data routes."""
        account_id = request.query_params.get("account_id")
        if not account_id:
            raise RefusalError(400, "account_id is required")
        if (account := self.world.accounts.get(account_id)) is None:
            raise RefusalError(404)
        status = self.options.account_status.get(account_id, 403 if account.subscription == "lite" else None)
        if of_data and status is not None:
            raise RefusalError(status)
        return account

    def available(self, account: Account) -> int:
        return self.options.credits.get(account.id, CREDITS)

    def charge(self, account: Account, record: str, price: int = 1) -> int:
        """What the account pays for the record: nothing, when it has paid for it in the last twelve months."""
        key, now = (account.id, record), self.world.clock()
        if now < self._subscribed.get(key, 0):
            return 0
        used = self.used.get(account.id, 0) + price
        if used > self.available(account):
            raise RefusalError(402, "insufficient_credits")
        self.used[account.id], self._subscribed[key] = used, now + YEAR
        return price

    def _paging(self, place: dict[str, Any]) -> dict[str, Any]:
        return {"pagination": place} if self.options.paging_block == "pagination" else place

    def _open(self, answer: dict[str, Any]) -> bytes:
        """The answer up to its request id, which every request has of its own."""
        answer["meta"]["request_id"] = " " * 36
        return orjson.dumps(answer)[:-_TAIL]

    def _sealed(self, opened: bytes) -> Response:
        return Json(opened + uuid_of(self._random).encode() + END)


def included(request: Request) -> frozenset[str]:
    return frozenset(request.query_params.get("include", "").split(","))


async def body_of(request: Request) -> dict[str, Any]:
    try:
        asked = orjson.loads(await request.body() or b"{}")
    except ValueError:
        raise RefusalError(400, "The body is not JSON") from None
    if not isinstance(asked, dict):
        raise RefusalError(400, "The body must be an object")
    return asked


def page_size(request: Request) -> int:
    size = _integer(request, "page[size]", 20)
    if not 1 <= size <= 100:
        raise RefusalError(400, "page[size] must be between 1 and 100")
    return size


def _integer(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise RefusalError(400, f"{name} must be an integer")
    return int(text)


def _cursor(begin: int) -> str:
    return urlsafe_b64encode(b"from:%d" % begin).decode().rstrip("=")


def _begin(request: Request) -> int:
    text = request.query_params.get("page[cursor]")
    if not text:
        return 0
    try:
        found = re.fullmatch(rb"from:([0-9]{1,9})", urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        found = None
    if found is None:
        raise RefusalError(400, "page[cursor] is not a cursor of ours")
    return int(found[1])
