"""Leedo as its document shows it: the sample answers, served over HTTP to whoever asks for what they show.

The document shows a contact by itself in answer to its creation only; a contact's own path is not documented.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

SAMPLES = Path(__file__).with_name("samples")
TOKEN = "YOUR_API_TOKEN"
PREFIX = "/v1"


def sample(name: str) -> Any:
    """A documented answer by its file's name."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def answers() -> dict[str, Any]:
    """Every path that the document shows an answer of."""
    found = {f"/{name}": sample(name) for name in ("leads", "accounts", "contacts", "campaigns")}
    details = [("leads", "lead"), ("accounts", "account"), ("campaigns", "campaign")]
    return found | {f"/{name}/{sample(one)['id']}": sample(one) for name, one in details}


@dataclass
class Documented:
    """A vendor that knows its document's samples by heart, and nothing else; `answers` may be changed."""

    answers: dict[str, Any] = field(default_factory=answers)
    refusals: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, path: str, token: str | None) -> tuple[int, Any]:
        """Status and body; the words are those of the document's table of codes."""
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid or missing API token"}
        if path in self.refusals:
            return self.refusals[path]
        found = self.answers.get(path)
        return (200, found) if found is not None else (404, {"message": "Resource does not exist"})

    def __enter__(self) -> Self:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # headers and body in one packet
            wbufsize = -1

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                path = parts.path.removeprefix(PREFIX)
                vendor.asked.append((path, {name: values[0] for name, values in parse_qs(parts.query).items()}))
                status, document = vendor.answer(path, self.headers["Authorization"])
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

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
        return f"http://127.0.0.1:{self._server.server_port}{PREFIX}"
