"""How a fault is done to an answer that is on its way. What the faults are is in faults.py."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faults import Fault
from .vendor import Json, Vendor

LOGIN = "<!doctype html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
GATEWAY = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"
HUGE = b"1099511627776"


async def befall(fault: Fault, vendor: Vendor, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the request with this trouble; `app` is what would have answered it."""
    match fault.name:
        case "status":
            await _status(fault, vendor)(scope, receive, send)
        case "html":
            await HTMLResponse(LOGIN)(scope, receive, send)
        case "wrong_shape":
            await Json({"status": "ok"} if fault.body is None else fault.body)(scope, receive, send)
        case "cut_headers":
            await _hang_up(scope, receive)
        case "cut_body" | "short_body" | "stall":
            await app(scope, receive, _Torn(fault, scope, receive, send))
        case _:
            # the page faults: the vendor knows what its pages are
            scope["sandbox.fault"] = fault
            await app(scope, receive, send)


def _status(fault: Fault, vendor: Vendor) -> Response:
    if fault.body is not None:
        answer: Response = Json(fault.body, fault.status)
    elif fault.status in (502, 504):
        reason = f"{fault.status} {HTTPStatus(fault.status).phrase}"
        answer = HTMLResponse(GATEWAY.format(reason), fault.status)
    else:
        answer = vendor.refuse(fault.status)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(fault.retry_after)
    if fault.location is not None:
        answer.headers["Location"] = fault.location
    return answer


class _Torn:
    """A `send` that lets only the beginning of the body through."""

    def __init__(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        self.fault, self.scope, self.receive, self.send = fault, scope, receive, send
        self.left: int | None = fault.after
        self.over = False

    async def __call__(self, message: Message) -> None:
        if self.over:
            return
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name != b"content-length"]
            if self.fault.name != "cut_body":
                length = dict(message["headers"]).get(b"content-length", HUGE)
                headers.append((b"content-length", length))
            await self.send({**message, "headers": headers})
            return
        body = message.get("body", b"")
        if self.left is None:
            self.left = len(body) // 2
        passed = body[: self.left]
        self.left -= len(passed)
        if passed:
            await self.send({"type": "http.response.body", "body": passed, "more_body": True})
        if self.left == 0 or not message.get("more_body"):
            self.over = True
            if self.fault.name == "stall":
                await _silence(self.receive, self.fault.seconds)
            await _hang_up(self.scope, self.receive)


async def _hang_up(scope: Scope, receive: Receive) -> None:
    scope["sandbox.transport"].close()
    await _disconnected(receive)


async def _silence(receive: Receive, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(_disconnected(receive), seconds)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
