"""The token API as its document shows it: the sample answers, served over HTTP to whoever asks for what they show.

The samples are the document's own, whitespace apart; a trailing comma in the list of accounts is gone, because it is
no JSON. The leads of a custom feed and the visits of a lead are documented with the same answers as all leads and all
visits: one file stands for both.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.served import Question, Served

SAMPLES = Path(__file__).with_name("samples")
TOKEN = "yourapitoken"
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
class Documented(Served):
    """A vendor that knows its document's samples by heart, and nothing else.

    `leads` are pages by account and day, `visits` one page by account: it shows what lies in the days asked for.
    """

    prefix = "/behind/a/proxy"
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

    def respond(self, asked: Question) -> tuple[int, Any]:
        if asked.method == "POST":
            self.forms.append({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        if asked.path is None:
            return 404, {"errors": [{"title": "Not Found"}]}
        self.asked.append((asked.path, asked.query))
        return self.answer(asked.path, asked.query, asked.headers.get("Authorization"))
