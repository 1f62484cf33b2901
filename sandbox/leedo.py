"""The Leedo API: leads, accounts, contacts, campaigns. What they are about is in crm.py.

`Authorization: Bearer …`; 100, 500 or 5,000 requests an hour by plan, with X-RateLimit headers on every
answer that was counted. Lists answer `{data, meta{total, page, per_page}}`; their rows lack `updated_at`,
and leads `phone`, which the details have. Only the reading half is here.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .crm import KINDS, Crm, Kind, Order
from .faults import Fault
from .limits import FixedWindow
from .vendor import Json, RefusalError
from .world import World

MUTATORS = ("move_during_walk",)
DETAILS_ONLY = ("phone", "updated_at")
TITLES = {401: "Invalid or missing API token", 404: "Resource does not exist", 429: "Rate limit exceeded"}


@dataclass
class LeedoOptions:
    """What the document leaves open, and what a test wants otherwise. Change them while it runs."""

    token: str = "sandbox-leedo-token"  # noqa: S105 -- opens nothing
    # the Free plan; None switches the limit and its headers off
    requests_per_hour: int | None = 100
    # X-RateLimit-Reset is the time of the next turn, or how long it is until then
    reset_unit: Literal["epoch", "seconds"] = "epoch"
    order: Order = "newest"
    default_per_page: int = 20
    # a larger per_page is answered with this many
    max_per_page: int = 100
    # neither page nor per_page is known: always the first page
    ignores_paging: bool = False
    # what a page after the last one is: empty, the last one again, or refused
    past_end: Literal["empty", "repeat", 404] = "empty"


@dataclass
class _Move:
    kind: Kind
    after_page: int
    add: int
    remove: int


class Leedo:
    name = "leedo"

    def __init__(self, world: World, options: LeedoOptions | None = None) -> None:
        self.crm = Crm(world)
        self.options = options or LeedoOptions()
        self.limit = FixedWindow(None, 3600, world.clock)
        self._moves: list[_Move] = []

    @property
    def routes(self) -> list[BaseRoute]:
        return [Route("/{kind}", self.rows), Route("/{kind}/{row_id}", self.one_row)]

    def settings(self, base_url: str) -> dict[str, str]:
        return {"SOURCES__LEEDO__API_TOKEN": self.options.token, "SOURCES__LEEDO__BASE_URL": base_url}

    def lift_limits(self) -> None:
        self.options.requests_per_hour = None

    def admit(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.options.token}":
            raise RefusalError(401)
        self.limit.limit = self.options.requests_per_hour
        if not self.limit.admit(self.options.token):
            raise RefusalError(429)

    def refuse(self, status: int, title: str | None = None) -> Response:
        return self.answer({"error": title or TITLES.get(status) or HTTPStatus(status).phrase}, status)

    def answer(self, content: Any, status: int = 200) -> Response:
        answer = Json(content, status)
        if self.options.requests_per_hour is not None and status != 401:
            turn = self.limit.next_turn
            reset = turn if self.options.reset_unit == "epoch" else turn - self.limit.clock()
            answer.headers["X-RateLimit-Limit"] = str(self.options.requests_per_hour)
            answer.headers["X-RateLimit-Remaining"] = str(self.limit.left(self.options.token))
            answer.headers["X-RateLimit-Reset"] = str(int(reset))
        return answer

    async def rows(self, request: Request) -> Response:
        kind = _kind(request)
        found = self.crm.listed(kind, self.options.order)
        page, size = self.paging(request)
        begin = (page - 1) * size
        if page > 1 and begin >= len(found):
            if self.options.past_end == 404:
                raise RefusalError(404)
            if self.options.past_end == "repeat":
                begin = max(0, len(found) - 1) // size * size
        fault: Fault | None = request.scope.get("sandbox.fault")
        begin = max(0, begin - (fault.moved_rows(size) if fault else 0))
        total = len(found) + (fault.counted_rows if fault else 0)
        shown = [self.crm.show(entry) for entry in found[begin : begin + size]]
        for row in shown:
            for name in DETAILS_ONLY:
                row.pop(name, None)
        self.turn(kind, page)
        return self.answer({"data": shown, "meta": {"total": total, "page": page, "per_page": size}})

    async def one_row(self, request: Request) -> Response:
        if (row := self.crm.find(_kind(request), request.path_params["row_id"])) is None:
            raise RefusalError(404)
        return self.answer(self.crm.show(row))

    def paging(self, request: Request) -> tuple[int, int]:
        """`page` from 1, and `per_page` as it will be answered."""
        if self.options.ignores_paging:
            return 1, self.options.default_per_page
        page = _number(request, "page", 1)
        return page, min(_number(request, "per_page", self.options.default_per_page), self.options.max_per_page)

    def move_during_walk(self, kind: Kind, after_page: int = 1, add: int = 0, remove: int = 0) -> None:
        """Once, after this page was answered: so many new rows, and so many of those listed first are gone."""
        self._moves.append(_Move(kind, after_page, add, remove))

    def turn(self, kind: Kind, page: int) -> None:
        due = [move for move in self._moves if (move.kind, move.after_page) == (kind, page)]
        for move in due:
            self._moves.remove(move)
            first = self.crm.listed(kind, self.options.order)[: move.remove]
            self.crm.remove_crm_rows(kind, [self.crm.show(entry)["id"] for entry in first])
            self.crm.add_crm_rows(kind, move.add)


def _kind(request: Request) -> Kind:
    kind = next((kind for kind in KINDS if kind == request.path_params["kind"]), None)
    if kind is None:
        raise RefusalError(404)
    return kind


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise RefusalError(400, f"{name} must be a positive integer")
    return int(text)
