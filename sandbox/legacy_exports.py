"""Export requests of the token API: ask for a report, look whether it is ready, download it.

`POST /export-requests` with form fields, then `GET /export-requests/<id>` until `processed`, then
`download_url`. As in the document's samples, `created_at` ends in Z first and in +00:00 later, and
`status_url` names `/export-feed/<id>`, a path that is not documented and answers 404 here. A report has no
limit of rows: it is written as it is sent.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from . import legacy_rows as rows
from .companies import uuid_of
from .feeds import Feed
from .legacy_questions import interval
from .vendor import Json, RefusalError, origin
from .windows import Figures
from .world import Account, DayZone, World

PIECE = 64 * 1024


@dataclass
class ExportOptions:
    """How reports fare. Change the fields while it runs."""

    # pending for so many looks at the status, and for so long
    pending_polls: int = 1
    pending_seconds: float = 0.0
    never_ready: bool = False
    # so many of the next requests end as failed
    fail_next: int = 0
    # a status that the document does not name, in place of `processed`
    status_text: str | None = None
    download_host: Literal["same", "other"] = "same"
    # the download redirects to the other host first
    redirect_downloads: bool = False
    # in place of the URL where the report is
    download_url: str | None = None
    # a download URL lives so long (None: for ever); a new look at the status then gives a fresh one
    url_lifetime: float | None = None
    # so many of the next download URLs have expired already
    expire_next: int = 0
    expired_status: int = 403
    # every row so many times, under ids of its own
    multiply: int = 1


@dataclass
class Export:
    id: str
    account: Account
    feed: Feed
    start: date
    end: date
    created: float
    fails: bool
    polls: int = 0
    figures: list[Figures] | None = None
    file: str | None = None


@dataclass(frozen=True)
class File:
    export: Export
    expires: float


class Exports:
    def __init__(
        self,
        world: World,
        options: ExportOptions,
        find: Callable[[str, str], tuple[Account, Feed]],
        day_zone: Callable[[], DayZone],
    ) -> None:
        self.world = world
        self.options = options
        self.requested: dict[str, Export] = {}
        # another host for downloads, where the server has one
        self.other_origin: str | None = None
        self._find = find
        self._day_zone = day_zone
        self._files: dict[str, File] = {}
        self._random = Random(f"{world.seed}:exports")

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route("/export-requests", self.create, methods=["POST"]),
            Route("/export-requests/{export_id}", self.status),
            Route("/download/{file}", self.download),
        ]

    async def create(self, request: Request) -> Response:
        # the document's table says URL parameters, its sample sends a form
        form = dict(parse_qsl((await request.body()).decode())) or dict(request.query_params)
        for name in ("account_id", "custom_feed_id"):
            if not form.get(name):
                raise RefusalError(400, f"{name} is required")
        start, end = interval(form)
        account, feed = self._find(form["account_id"], form["custom_feed_id"])
        fails = self.options.fail_next > 0
        self.options.fail_next -= fails
        export = Export(uuid_of(self._random), account, feed, start, end, self.world.clock(), fails)
        self.requested[export.id] = export
        return Json({"data": self._shown(request, export, "pending", "Z")})

    async def status(self, request: Request) -> Response:
        if (export := self.requested.get(request.path_params["export_id"])) is None:
            raise RefusalError(404)
        export.polls += 1
        status = self._status(export)
        if status == "processed" and export.figures is None:
            window = self.world.window(export.account.id, export.start, export.end, self._day_zone())
            export.figures = window.of_feed(export.feed)
        return Json({"data": self._shown(request, export, status, "+00:00")})

    async def download(self, request: Request) -> Response:
        if (file := self._files.get(request.path_params["file"])) is None:
            raise RefusalError(404)
        if self.world.clock() >= file.expires:
            raise RefusalError(self.options.expired_status, "The report has expired")
        if self.options.redirect_downloads and self.other_origin and "moved" not in request.query_params:
            return RedirectResponse(f"{self.other_origin}{request.url.path}?moved=1", 302)
        pieces = _report(file.export.figures or [], self.options.multiply)
        return StreamingResponse(_paced(pieces), media_type="application/json")

    def _status(self, export: Export) -> str:
        options = self.options
        waited = self.world.clock() - export.created
        if options.never_ready or export.polls <= options.pending_polls or waited < options.pending_seconds:
            return "pending"
        if export.fails:
            return "failed"
        return options.status_text or "processed"

    def _shown(self, request: Request, export: Export, status: str, utc: str) -> dict[str, Any]:
        base = origin(request) + str(request.scope["root_path"])
        url = None
        if status == "processed":
            host = self.other_origin if self.options.download_host == "other" and self.other_origin else origin(request)
            url = self.options.download_url or f"{host}{request.scope['root_path']}/download/{self._file(export)}"
        created = datetime.fromtimestamp(export.created, UTC)
        attributes = {
            "status": status,
            "created_at": f"{created:%Y-%m-%dT%H:%M:%S}{utc}",
            "status_url": f"{base}/export-feed/{export.id}",
            "download_url": url,
        }
        return {"id": export.id, "type": "export_requests", "attributes": attributes}

    def _file(self, export: Export) -> str:
        """The report's file name: the last one while it lives, then a fresh one."""
        now = self.world.clock()
        if export.file is None or now >= self._files[export.file].expires:
            export.file = f"{uuid_of(self._random)}.json"
            lifetime = float("inf") if self.options.url_lifetime is None else self.options.url_lifetime
            if self.options.expire_next > 0:
                self.options.expire_next -= 1
                lifetime = 0
            self._files[export.file] = File(export, now + lifetime)
        return export.file


def _report(figures: list[Figures], multiply: int) -> Iterator[bytes]:
    yield b'{"data":['
    yield from _listed(_copies(figures, rows.timeline_row, multiply))
    yield b'],"included":['
    locations = (orjson.dumps(place) for place in rows.included((each.lead for each in figures), {}))
    yield from _listed(itertools.chain(_copies(figures, rows.report_lead, multiply), locations))
    yield b"]}"


def _copies(figures: list[Figures], render: Callable[[Figures], dict[str, Any]], multiply: int) -> Iterator[bytes]:
    for each in figures:
        row = orjson.dumps(render(each))
        yield row
        identity = rows.report_id(each.lead).encode()
        company, _, place = identity.partition(b"|")
        for number in range(2, multiply + 1):
            yield row.replace(identity, b"%b-%d|%b" % (company, number, place))


def _listed(items: Iterator[bytes]) -> Iterator[bytes]:
    for number, item in enumerate(items):
        yield b"," + item if number else item


async def _paced(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Joined into larger pieces, with room for other requests in between."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
            await asyncio.sleep(0)
    yield bytes(piece)
