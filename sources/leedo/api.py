"""How Leedo is asked.

Leedo API, "API Documentation" v1, https://api.leedo.app/v1: 100, 500 or 5,000 requests an hour by plan, which the
headers X-RateLimit-Limit, -Remaining and -Reset tell of. Lists answer `{data, meta{total, page, per_page}}`. Not
published are the names of the paging parameters (`page` and `per_page` are those of `meta`), the largest page, the
order, any filter, the unit of Reset, the error body, and what becomes of a row that is deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from ..budget import Limit
from ..errors import AccessError, AnswerError, RequestError
from ..keys import HeaderAuth
from ..meter import Meter
from ..session import Session

BASE_URL = "https://api.leedo.app/v1"
# the Free plan's
REQUESTS_PER_HOUR = 100
HOUR = timedelta(hours=1)
PER_PAGE = 100
# a page beyond the last one may be refused; these mean something else
REFUSED = (401, 402, 403)

Item = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of a list: its rows, how many there are in all, how many a page has; None where it is not said.

    `refused` is whether the vendor has no such page, rather than an empty one.
    """

    items: list[Item]
    total: int | None
    size: int | None
    refused: bool = False

    @property
    def ids(self) -> list[str]:
        return [str(item["id"]) for item in self.items]


def limit(requests_per_hour: int) -> Limit:
    """The token's rate."""
    return Limit(requests_per_hour, HOUR)


def auth(token: str) -> HeaderAuth:
    """`Authorization: Bearer <token>`."""
    return HeaderAuth("Authorization", f"Bearer {token}", setting="sources.leedo.api_token")


def read_error(document: Any) -> str | None:
    """The vendor's words, wherever they stand: no error body is documented."""
    for said in (document.get("error"), document.get("errors"), document):
        found = said[0] if isinstance(said, list) and said else said
        named = found if isinstance(found, dict) else {}
        words = found if isinstance(found, str) else named.get("message") or named.get("title") or named.get("detail")
        if words:
            return str(words)
    return None


class Api:
    """Leedo's lists and their rows."""

    def __init__(self, session: Session, *, page: str, per_page: str, size: int) -> None:
        self.session = session
        self.size = size
        self._page, self._per_page = page, per_page

    def page(self, name: str, number: int, meter: Meter) -> Page:
        """One page of a list, from 1; what lies beyond the last one is an empty page."""
        params: Mapping[str, str | int] = {self._page: number, self._per_page: self.size}
        try:
            document = self.session.get(f"/{name}", params, meter=meter, check=_check_list)
        except (AccessError, RequestError) as error:
            if number > 1 and error.status not in REFUSED:
                return Page([], None, None, refused=True)
            if isinstance(error, RequestError):
                error.remedy = "check sources.leedo.per_page, page_parameter and per_page_parameter, and the key"
            elif error.status == 404:
                error.remedy = "check sources.leedo.base_url"
            raise
        meta = document.get("meta") or {}
        return Page(document["data"], _count(meta.get("total")), _count(meta.get("per_page")))

    def detail(self, name: str, row_id: str, meter: Meter) -> Item:
        """One row with everything that the vendor shows of it."""

        def check(document: Any) -> None:
            if not isinstance(document, dict) or str(_row(document).get("id")) != row_id:
                raise AnswerError(f"/{name}/{row_id} answered with another row, or none")

        return _row(self.session.get(f"/{name}/{quote(row_id, safe='')}", meter=meter, check=check))


def _row(document: Item) -> Item:
    # documented bare; lists wrap theirs
    inner = document.get("data")
    return inner if isinstance(inner, dict) and "id" not in document else document


def _check_list(document: Any) -> None:
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        raise AnswerError("the answer has no list of data")
    if not isinstance(document.get("meta") or {}, dict):
        raise AnswerError("the answer's meta is no object")
    if not all(isinstance(item, dict) and item.get("id") not in (None, "") for item in document["data"]):
        raise AnswerError("the answer holds something that has no id")


def _count(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() else None
