"""Leadsie as its document shows it: scripted answers, served over HTTP to whoever asks as the document says.

The document shows shapes and no sample: the values are ours, each of the documented type. The newer connection is in
the shape of the vendor's page on webhooks, version 2.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.served import Question, Served

KEY = "the-key-of-the-tests"

OLDER: dict[str, Any] = {
    "user": 7,
    "customUserId": "customer-1",
    "requestUrl": "https://app.leadsie.io/connect/2088405878138352/manage",
    "requestName": "Marketing access",
    "accessLevel": "admin",
    "status": "PARTIAL_SUCCESS",
    "connectionAssets": [
        {
            "type": "Ad Account",
            "name": "Shop",
            "id": "1001",
            "isSuccess": True,
            "message": "Successfully connected",
            "time": "2026-03-01T10:00:00.000Z",
        },
        {
            "type": "Page",
            "name": "Shop",
            "id": "1001",
            "isSuccess": False,
            "message": "You need to be an admin",
            "time": "2026-03-02T09:30:00+02:00",
        },
    ],
}
NEWER: dict[str, Any] = {
    "user": "8",
    "requestUrl": "https://app.leadsie.io/connect/3/manage",
    "requestName": "3",
    "accessLevel": "view",
    "status": "SUCCESS",
    "clientName": "Bakery",
    "clientSummaryUrl": "https://app.leadsie.com/client/c8",
    "apiVersion": 2,
    "somethingNew": {"a": 1},
    "connectionAssets": [
        {
            "type": "Google Ads Account",
            "name": "Bakery",
            "id": 2002,
            "connectionStatus": "In progress",
            "notes": "Not accepted yet",
            "time": "2026-03-03T08:00:00.123Z",
            "platform": "Google",
            "wasInitialGrantSuccessful": False,
            "statusLastCheckedAt": "2026-03-04T00:00:00.000Z",
            "linkToAsset": "https://ads.example/2002",
            "assignedUsers": [{"id": "1", "name": "Ann Other"}],
            "connectedAccount": {"id": "5", "name": "ann@example.com"},
            "accessLevel": "ViewOnly",
            "wasInvitedByEmail": True,
            "mood": "good",
        }
    ],
}

Answer = tuple[int, Any]


@dataclass
class Documented(Served):
    """`answers` are status and body by customUserId, None standing for the call that names nobody; `pages` by path."""

    answers: dict[str | None, Answer] = field(default_factory=dict)
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, Any], dict[str, str]]] = field(default_factory=list)

    def shows(self, *connections: dict[str, Any], to: str | None = None) -> None:
        """What the call that names `to` answers from now on."""
        self.answers[to] = (200, {"allConnections": list(connections)})

    @property
    def named(self) -> list[str | None]:
        """The customUserIds asked for, in order."""
        return [body.get("customUserId") for method, _, body, _ in self.asked if method == "POST"]

    def respond(self, asked: Question) -> Answer:
        body = json.loads(asked.body or b"{}")
        self.asked.append((asked.method, asked.target, body, dict(asked.headers)))
        if (asked.method, asked.path) == ("POST", "/api/checkUserStatus"):
            return self.answers.get(body.get("customUserId"), (200, {"allConnections": []}))
        return self.pages.get(asked.target, (404, {"error": "Not Found"}))
