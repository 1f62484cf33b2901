"""The server: all vendors on one port of this machine, each below its name, as `/leadfeeder_legacy`.

Every request goes through a gate that notes it, asks the vendor whether the key and the rate limit let it
pass, and does to it what faults are planned. Refused and troubled requests count against the limit, as with
the vendors.
"""

import asyncio
import inspect
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote_to_bytes

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from . import control
from .faults import Call, Fault, Faults
from .leadfeeder import Leadfeeder
from .leadfeeder_legacy import LeadfeederLegacy, LegacyOptions
from .leadsie import Leadsie
from .leedo import Leedo
from .requests_log import RequestLog, Seen
from .server import Server, listener
from .troubles import befall
from .vendor import RefusalError, Vendor
from .world import World

_ACCOUNT = re.compile(r"/accounts/([^/]+)")


class Sandbox:
    """The simulated vendors. `with Sandbox() as sandbox:` serves from a thread; `serve()` blocks.

    A `clock` (epoch seconds) rules the world's now, the rate limits and the exports; `sleep` does the
    waiting of latency.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None] | None] = asyncio.sleep,
        port: int = 0,
        latency: float = 0.0,
        limits: bool = True,
        legacy: LegacyOptions | None = None,
    ) -> None:
        self.world = world or World(clock=clock or time.time)
        if clock is not None:
            self.world.clock = clock
        self.sleep = sleep
        self.port = port
        self.faults = Faults(seed=self.world.seed)
        self.requests = RequestLog()
        self.leadfeeder_legacy = LeadfeederLegacy(self.world, legacy)
        self.leadfeeder = Leadfeeder(self.world)
        self.leadsie, self.leedo = Leadsie(self.world), Leedo(self.world)
        vendors: tuple[Vendor, ...] = (self.leadfeeder_legacy, self.leadfeeder, self.leadsie, self.leedo)
        self.vendors: dict[str, Vendor] = {vendor.name: vendor for vendor in vendors}
        if latency:
            self.faults.add(Fault("latency", times=None, seconds=latency))
        if not limits:
            for vendor in self.vendors.values():
                vendor.lift_limits()
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_urls(self) -> dict[str, str]:
        return {name: f"{self.url}/{name}" for name in self.vendors}

    def settings(self) -> dict[str, str]:
        """Environment variables that point leadhouse at the sandbox."""
        pairs = [vendor.settings(self.base_urls[name]).items() for name, vendor in self.vendors.items()]
        return {name: value for each in pairs for name, value in each}

    def start(self) -> Self:
        """Serves from a thread of its own; returns when the first request can come."""
        server, sockets = self._prepare()
        self._thread = threading.Thread(target=server.run, args=(sockets,), name="sandbox", daemon=True)
        self._thread.start()
        while not server.running.wait(0.05):
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start")
        self._server = server
        return self

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
            self._server = self._thread = None

    def serve(self, ready: Callable[["Sandbox"], None] | None = None) -> None:
        """Serves until Ctrl-C; `ready` is told when the port is known."""
        server, sockets = self._prepare()
        if ready is not None:
            ready(self)
        with suppress(KeyboardInterrupt):
            server.run(sockets)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> tuple[Server, list[socket.socket]]:
        main, other = listener(self.port), listener(0)
        self.port = main.getsockname()[1]
        # the same server by another name and port: another host, as far as a client can tell
        self.leadfeeder_legacy.exports.other_origin = f"http://localhost:{other.getsockname()[1]}"
        mounts = [Mount(f"/{name}", Gate(self, vendor)) for name, vendor in self.vendors.items()]
        app = Starlette(routes=[Mount("/_sandbox", routes=control.routes(self)), *mounts])
        return Server(app), [main, other]


class Gate:
    """What stands before a vendor's routes."""

    def __init__(self, sandbox: Sandbox, vendor: Vendor) -> None:
        self.sandbox = sandbox
        self.vendor = vendor

        def refuse(_: Request, error: Exception) -> Response:
            if isinstance(error, RefusalError):
                return vendor.refuse(error.status, error.title)
            return vendor.refuse(error.status_code if isinstance(error, HTTPException) else 500)

        self.app = Starlette(routes=vendor.routes, exception_handlers={RefusalError: refuse, HTTPException: refuse})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        body_is_read = False
        seen = self._note(request, body)
        # a slash that an id has in it is none of the path's
        scope["path"] = unquote_to_bytes(scope["raw_path"].replace(b"%2F", b"%252F")).decode()
        # a key can stand in the body
        scope["sandbox.body"] = body

        async def read() -> Message:
            nonlocal body_is_read
            if body_is_read:
                return await receive()
            body_is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def write(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message["headers"] = [*message["headers"], (b"date", self._date())]
            await send(message)

        try:
            self.vendor.admit(request)
        except RefusalError as refusal:
            await self.vendor.refuse(refusal.status, refusal.title)(scope, read, write)
            return
        trouble = None
        for fault in list(self.sandbox.faults.meet(_call(seen))):
            if fault.name == "latency":
                if inspect.isawaitable(waiting := self.sandbox.sleep(fault.seconds)):
                    await waiting
            else:
                trouble = fault
        if trouble is None:
            await self.app(scope, read, write)
        else:
            await befall(trouble, self.vendor, self.app, scope, read, write)

    def _date(self) -> bytes:
        return formatdate(self.sandbox.world.clock(), usegmt=True).encode()

    def _note(self, request: Request, body: bytes) -> Seen:
        seen = Seen(
            time=self.sandbox.world.clock(),
            vendor=self.vendor.name,
            method=request.method,
            path=request.url.path.removeprefix(f"/{self.vendor.name}"),
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=body.decode(errors="replace"),
        )
        self.sandbox.requests.add(seen)
        return seen


def _call(seen: Seen) -> Call:
    """The account is in the path, among the parameters, or in a form; the page under one of two names."""
    form = parse_qs(seen.body) if seen.method == "POST" else {}
    in_path = _ACCOUNT.match(seen.path)
    account = in_path[1] if in_path else seen.query.get("account_id") or form.get("account_id", [None])[0]
    page = next((seen.query[name] for name in ("page[number]", "page[num]", "page") if name in seen.query), "1")
    return Call(seen.vendor, seen.method, seen.path, account, int(page) if page.isdecimal() else None)
