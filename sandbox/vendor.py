"""What every simulated vendor is made of: answers, refusals, and what the server asks of it."""

from collections.abc import Sequence
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute


class Json(Response):
    """Takes an object, or JSON that is already encoded."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else orjson.dumps(content)


class RefusalError(Exception):
    """Raised anywhere in a vendor's code: the vendor answers with this status and its own error body."""

    def __init__(self, status: int, title: str | None = None) -> None:
        super().__init__(status, title)
        self.status = status
        self.title = title


class Vendor(Protocol):
    """One vendor's answers, served below `/<name>`."""

    name: str
    options: Any

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Paths without the vendor's prefix."""

    def admit(self, request: Request) -> None:
        """Checks the key and counts the request against the limit: raises RefusalError."""

    def refuse(self, status: int, title: str | None = None) -> Response:
        """The vendor's documented error body."""

    def lift_limits(self) -> None:
        """No rate limit from now on."""

    def settings(self, base_url: str) -> dict[str, str]:
        """Environment variables that point leadhouse at it."""


def origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}"
