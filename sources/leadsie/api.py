"""How Leadsie is asked.

Leadsie API, https://help.leadsie.com/article/126-leadsie-api: POST /api/checkUserStatus with `{apiKey, customUserId?}`
answers `{allConnections}`; the key stands in the body. There is no paging and no date to ask for. What comes without a
customUserId is not documented, nor are limits and errors. The vendor calls this deprecated in favour of /api/clients
and /api/client/{clientId}, whose answers and whose place for the key are not public.
"""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import requests

from ..budget import Limit
from ..errors import AccessError, AnswerError
from ..keys import HeaderAuth
from ..meter import Meter
from ..session import Session
from .connections import Row

BASE_URL = "https://app.leadsie.com"
STATUS_PATH = "/api/checkUserStatus"
CLIENTS_PATH = "/api/clients"
CLIENT_PATH = "/api/client/{id}"
CLIENTS_HEADER = "X-Api-Key: {key}"
# ours: the vendor names no limit
REQUESTS_PER_MINUTE = 60
# what a client's own object tells of each of its connections
OF_CLIENT = ("clientId", "clientName", "clientSummaryUrl")


def limit(requests_per_minute: int) -> Limit:
    """One request at a time, evenly: modest, because nothing is documented."""
    # a budget counts in thousandths of a second
    return Limit(1, timedelta(minutes=1) / min(requests_per_minute, 60_000))


class ClientsAuth(HeaderAuth):
    """The key in a header of what has no body; where it has one, the key is in there."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return super().__call__(request) if request.method == "GET" else request


def auth(key: str, header: str = CLIENTS_HEADER) -> ClientsAuth:
    """`header` is a name and a value with `{key}` in it."""
    name, _, value = header.partition(":")
    return ClientsAuth(name.strip(), value.strip().replace("{key}", key), setting="sources.leadsie.api_key")


def read_error(document: Any) -> str | None:
    """The vendor's words, wherever they stand: which place they have is not documented."""
    said = next((document[name] for name in ("error", "message", "errors") if document.get(name)), None)
    if isinstance(said, dict):
        said = said.get("message") or said
    return said if said is None or isinstance(said, str) else json.dumps(said)


class Api:
    """Leadsie's endpoints: every method returns all rows or raises."""

    def __init__(self, session: Session, key: str, clients_path: str, client_path: str) -> None:
        self._session = session
        self._key = key
        self._clients_path = clients_path
        self._client_path = client_path

    def status(self, custom_user_id: str | None, meter: Meter) -> list[Row]:
        """The connections of one customUserId; without one, those that the vendor then shows."""
        question = {"apiKey": self._key} | ({} if custom_user_id is None else {"customUserId": custom_user_id})
        document = self._session.query(STATUS_PATH, question, meter=meter, check=self._check_connections)
        rows: list[Row] = document["allConnections"]
        return rows

    def clients(self, meter: Meter) -> list[Row]:
        """All clients, each with its `clientId`."""
        document = self._get(self._clients_path, "clients_path", meter, self._check_clients)
        return [{**row, "clientId": _client_id(row)} for row in _listed(document)]

    def client(self, client: Row, meter: Meter) -> list[Row]:
        """The connections of one client, each with what the client's own object says of it."""
        path = self._client_path.replace("{id}", quote(str(client["clientId"]), safe=""))
        document = self._get(path, "client_path", meter, self._check_connections)
        own = {name: client[name] for name in OF_CLIENT if client.get(name)}
        return [own | row for row in document["allConnections"]]

    def _get(self, path: str, setting: str, meter: Meter, check: Any) -> Any:
        try:
            return self._session.get(path, meter=meter, check=check)
        except AccessError as error:
            if error.status == 404:
                error.remedy = f"give its path as sources.leadsie.{setting}, or set clients to false"
            raise

    def _check_connections(self, document: Any) -> None:
        self._check(document, document.get("allConnections") if isinstance(document, dict) else None, "allConnections")

    def _check_clients(self, document: Any) -> None:
        rows = _listed(document)
        self._check(document, rows, "list of clients")
        if not all(map(_client_id, rows)):
            raise AnswerError("a client has no clientId")

    def _check(self, document: Any, rows: Any, what: str) -> None:
        """An error may come with status 200: it is no empty list."""
        failed = isinstance(document, dict) and not rows and (document.get("error") or document.get("errors"))
        if failed or not isinstance(rows, list):
            said = read_error(document) if isinstance(document, dict) else None
            words = f" ({said[:300]})" if said else ""
            raise AnswerError(f"the answer has no {what}{words}")
        if not all(isinstance(row, dict) for row in rows):
            raise AnswerError(f"the answer's {what} holds something that is no object")


def _listed(document: Any) -> Any:
    """A list of clients, by itself or under a name."""
    if isinstance(document, dict):
        return next((document[name] for name in ("clients", "data") if name in document), None)
    return document


def _client_id(row: Row) -> str:
    return str(row.get("clientId") or row.get("id") or "")
