"""Leedo as its document shows it: the sample answers, served over HTTP to whoever asks for what they show.

The document shows a contact by itself in answer to its creation only; a contact's own path is not documented.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.served import Question, Served

SAMPLES = Path(__file__).with_name("samples")
TOKEN = "YOUR_API_TOKEN"


def sample(name: str) -> Any:
    """A documented answer by its file's name."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def answers() -> dict[str, Any]:
    """Every path that the document shows an answer of."""
    found = {f"/{name}": sample(name) for name in ("leads", "accounts", "contacts", "campaigns")}
    details = [("leads", "lead"), ("accounts", "account"), ("campaigns", "campaign")]
    return found | {f"/{name}/{sample(one)['id']}": sample(one) for name, one in details}


@dataclass
class Documented(Served):
    """A vendor that knows its document's samples by heart, and nothing else; `answers` may be changed."""

    prefix = "/v1"
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

    def respond(self, asked: Question) -> tuple[int, Any]:
        path = asked.path or ""
        self.asked.append((path, asked.query))
        return self.answer(path, asked.headers.get("Authorization"))
