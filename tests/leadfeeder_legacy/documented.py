"""The token API as its document shows it: the sample answers, served over HTTP to whoever asks for what they show.

The samples are the document's own, whitespace apart; a trailing comma in the list of accounts is gone, because it is
no JSON. The leads of a custom feed and the visits of a lead are documented with the same answers as all leads and all
visits: one file stands for both.
"""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

SAMPLES = Path(__file__).with_name("samples")
TOKEN = "yourapitoken"
PREFIX = "/behind/a/proxy"
DOWNLOAD = "/download/ee9de62d-d54b-4cd6-a703-77217a399dbf.json"
NOTHING: dict[str, Any] = {"data": [], "included": []}


def sample(name: str) -> Any:
    """A documented answer by its file's name."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def page_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """A documented object as the only row of a page."""
    return {**document, "data": [document["data"]]}


def leads_page() -> dict[str, Any]:
    """The documented page of leads as the only one: its links are those of a longer list, in pages of two."""
    page: dict[str, Any] = sample("leads")
    page["links"] = {"self": page["links"]["self"], "last": page["links"]["self"]}
    return page


@dataclass
class Refusal:
    """Answers to a path that are refused, the first so many times (None: always)."""

    status: int
    body: Any
    times: int | None = None


@dataclass
class Documented:
    """A vendor that knows its document's samples by heart, and nothing else.

    `leads` are pages by account and day, `visits` one page by account: it shows what lies in the days asked for.
    """

    accounts: Any = field(default_factory=lambda: sample("accounts"))
    custom_feeds: dict[str, Any] = field(default_factory=lambda: {"6002": sample("custom_feeds")})
    scripts: dict[str, Any] = field(default_factory=lambda: {"6001": sample("tracking_script")})
    leads: dict[tuple[str, str], list[Any]] = field(default_factory=lambda: {("6002", "2015-09-18"): [leads_page()]})
    visits: dict[str, Any] = field(default_factory=lambda: {"6002": sample("visits")})
    refusals: dict[str, Refusal] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    def answer(self, path: str, query: Mapping[str, str], token: str | None) -> tuple[int, Any]:
        """Status and body."""
        refusal = self.refusals.get(path)
        if refusal is not None and (refusal.times is None or refusal.times > 0):
            if refusal.times is not None:
                refusal.times -= 1
            return refusal.status, refusal.body
        if path == DOWNLOAD:
            return 200, sample("report")
        if token != f"Token token={TOKEN}":
            return 401, {"errors": [{"title": "Unauthorized"}]}
        if path == "/accounts":
            return 200, self.accounts
        if path == "/export-requests":
            return 200, sample("export_request_created")
        if path.startswith("/export-requests/"):
            document = sample("export_request_processed")
            document["data"]["attributes"]["download_url"] = self.url + DOWNLOAD
            return 200, document
        match = re.fullmatch(r"/accounts/([^/]+)/([^/]+)", path)
        account, what = match.groups() if match else ("", "")
        if what == "custom-feeds":
            return 200, self.custom_feeds.get(account, NOTHING)
        if what == "website-tracking-script":
            return 200, self.scripts.get(account, NOTHING)
        if what == "leads" and query["start_date"] == query["end_date"]:
            pages = dict(enumerate(self.leads.get((account, query["start_date"]), []), start=1))
            return 200, pages.get(int(query["page[number]"]), NOTHING)
        if what == "visits":
            page = self.visits.get(account, NOTHING)
            inside = [v for v in page["data"] if query["start_date"] <= v["attributes"]["date"] <= query["end_date"]]
            return 200, {**page, "data": inside}
        return 404, {"errors": [{"title": "Not Found"}]}

    def __enter__(self) -> Self:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # headers and body in one packet
            wbufsize = -1

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                path = parts.path.removeprefix(PREFIX)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                vendor.asked.append((path, query))
                if parts.path == path:
                    status, document = 404, {"errors": [{"title": "Not Found"}]}
                else:
                    status, document = vendor.answer(path, query, self.headers["Authorization"])
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.api+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                vendor.forms.append({name: values[0] for name, values in parse_qs(form).items()})
                self.do_GET()

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
