"""A vendor that is written down in a test, over HTTP."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Question:
    """One request as it came in: `path` is without the vendor's prefix, None where it is not below it."""

    method: str
    target: str
    path: str | None
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes


class Served(ABC):
    """Answers in JSON, at its `url`, from the beginning of a `with` block to its end."""

    prefix = ""

    @abstractmethod
    def respond(self, asked: Question) -> tuple[int, Any]:
        """Status and document."""

    def __enter__(self) -> Self:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # headers and body in one packet
            wbufsize = -1

            def answer(self) -> None:
                parts = urlsplit(self.path)
                asked = Question(
                    method=self.command,
                    target=self.path,
                    path=parts.path.removeprefix(vendor.prefix) if parts.path.startswith(vendor.prefix) else None,
                    query={name: values[0] for name, values in parse_qs(parts.query).items()},
                    headers=dict(self.headers),
                    body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
                )
                status, document = vendor.respond(asked)
                said = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self.prefix}"
