"""The Leadsie API: who granted access to what, asked with the key in the body. What it tells is in grants.py.

`POST /api/checkUserStatus` with `{apiKey, customUserId?}` answers `{allConnections}`: no paging, no dates to
ask for, no id of a connection. The newer help pages call it deprecated in favour of `GET /api/clients` and
`/api/client/{clientId}`, whose reference is not public: their shapes are ours. The newer vocabulary is that
of the vendor's page on webhooks, version 2.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .grants import FAILURES, Asset, Connection, Grants
from .limits import FixedWindow
from .people import now
from .vendor import Json, RefusalError
from .world import World

OLD_TYPES = ("Ad Account", "Page", "Pixel", "Instagram Account", "Catalog")
# the first five are what the older ones became
NEW_TYPES = (
    "Meta Ad Account",
    "Facebook Page",
    "Meta Pixel",
    "Instagram Account",
    "Facebook Catalog",
    "Google Analytics Account",
    "Google Ads Account",
    "Google My Business Location",
    "Google Search Console",
    "Google Merchant Center",
    "Google Tag Manager",
    "TikTok Advertiser Account",
    "LinkedIn Company Page",
    "LinkedIn Ad Account",
    "Shopify Store",
    "WordPress Site",
    "Squarespace Website",
    "Klaviyo Account",
    "YouTube Channel",
    "Microsoft Ads",
    "Mailchimp Account",
    "Pinterest Ad Account",
    "GoDaddy Account",
    "HubSpot Account",
    "Yelp Business Account",
    "X Profile",
    "X Ads",
    "Snapchat Business Account",
)


@dataclass
class LeadsieOptions:
    """What the document leaves open, and what a test wants otherwise. Change them while it runs."""

    api_key: str = "sandbox-leadsie-key"
    # without a customUserId: all connections, or a 400
    without_custom_user_id: Literal["all", "error"] = "all"
    # newer answers have other types and fields, no isSuccess and no message
    vocabulary: Literal["old", "new"] = "old"
    user: Literal["int", "text"] = "int"
    # /api/clients and /api/client/{id} are there
    clients: bool = True
    # none is documented
    requests_per_second: int | None = None


class Leadsie:
    name = "leadsie"

    def __init__(self, world: World, options: LeadsieOptions | None = None) -> None:
        self.world = world
        self.grants = Grants(world)
        self.options = options or LeadsieOptions()
        self.limit = FixedWindow(None, 1, world.clock)

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/checkUserStatus", self.check_user_status, methods=["POST"]),
            Route("/api/clients", self.clients),
            Route("/api/client/{client_id:path}", self.one_client),
        ]

    def settings(self, base_url: str) -> dict[str, str]:
        return {"SOURCES__LEADSIE__API_KEY": self.options.api_key, "SOURCES__LEADSIE__BASE_URL": base_url}

    def lift_limits(self) -> None:
        self.options.requests_per_second = None

    def admit(self, request: Request) -> None:
        if self.options.api_key not in _keys(request):
            raise RefusalError(401, "Invalid API key")
        self.limit.limit = self.options.requests_per_second
        if not self.limit.admit(self.options.api_key):
            raise RefusalError(429)

    def refuse(self, status: int, title: str | None = None) -> Response:
        return Json({"error": title or HTTPStatus(status).phrase}, status)

    async def check_user_status(self, request: Request) -> Response:
        wanted = _body(request).get("customUserId")
        if wanted is None and self.options.without_custom_user_id == "error":
            raise RefusalError(400, "customUserId is required")
        return Json({"allConnections": self.connections(wanted)})

    async def clients(self, request: Request) -> Response:  # noqa: ARG002
        self.offered()
        return Json({"clients": [self.client(each) for each in self.by_client().values()]})

    async def one_client(self, request: Request) -> Response:
        """Named by its id, or by a customUserId of its connections."""
        self.offered()
        time, name = now(self.world), unquote(request.path_params["client_id"])
        for client_id, connections in self.by_client().items():
            if name == client_id or name in [each.custom_user_id(time) for each in connections]:
                return Json(self.client(connections) | {"allConnections": [self.row(each) for each in connections]})
        raise RefusalError(404)

    def offered(self) -> None:
        if not self.options.clients:
            raise RefusalError(404)

    def connections(self, custom_user_id: str | None) -> list[dict[str, Any]]:
        time = now(self.world)
        return [
            self.row(each)
            for each in self.grants.connections()
            if custom_user_id is None or each.custom_user_id(time) == custom_user_id
        ]

    def by_client(self) -> dict[str, list[Connection]]:
        clients: dict[str, list[Connection]] = {}
        for each in self.grants.connections():
            clients.setdefault(each.client_id, []).append(each)
        return clients

    def client(self, connections: list[Connection]) -> dict[str, Any]:
        time = now(self.world)
        names = {name: None for each in connections if (name := each.custom_user_id(time)) is not None}
        return {
            "clientId": connections[0].client_id,
            "clientName": connections[0].company.name,
            "clientSummaryUrl": _summary_url(connections[0]),
            "customUserIds": list(names),
        }

    def row(self, connection: Connection) -> dict[str, Any]:
        time = now(self.world)
        assets = connection.assets_at(time)
        granted = [asset.at(time).is_success for asset in assets]
        row: dict[str, Any] = {"user": connection.user if self.options.user == "int" else str(connection.user)}
        if (custom_user_id := connection.custom_user_id(time)) is not None:
            row["customUserId"] = custom_user_id
        row["requestUrl"] = connection.request_url
        row["requestName"] = connection.request_name
        row["accessLevel"] = connection.access_level
        row["status"] = "SUCCESS" if all(granted) else "PARTIAL_SUCCESS" if any(granted) else "FAILED"
        if self.options.vocabulary == "old":
            row["connectionAssets"] = [_old_asset(asset, time) for asset in assets]
            return row
        row["clientName"] = connection.company.name
        row["clientSummaryUrl"] = _summary_url(connection)
        row["apiVersion"] = 2
        row["connectionAssets"] = [_new_asset(connection, asset, time) for asset in assets]
        return row


def _old_asset(asset: Asset, time: int) -> dict[str, Any]:
    state = asset.at(time)
    return {
        "type": OLD_TYPES[asset.type % len(OLD_TYPES)],
        "name": asset.name,
        "id": asset.id,
        "isSuccess": state.is_success,
        "message": state.message,
        "time": _instant(state.time, "seconds"),
    }


def _new_asset(connection: Connection, asset: Asset, time: int) -> dict[str, Any]:
    state = asset.at(time)
    changed = _instant(state.time, "milliseconds")
    row: dict[str, Any] = {
        "id": asset.id,
        "name": asset.name,
        "type": NEW_TYPES[asset.type],
        "connectionStatus": "Connected" if state.is_success else FAILURES.get(state.message, "Unknown"),
        "wasInitialGrantSuccessful": asset.states[0].is_success,
        "time": changed,
        "statusLastCheckedAt": changed,
        "linkToAsset": f"https://platform.example/assets/{asset.id}",
        "assignedUsers": [
            {"id": str(connection.user), "name": connection.person, "role": "Admin", "isSuccess": state.is_success}
        ],
        "connectedAccount": {"id": asset.id, "name": asset.name},
        "accessLevel": "Manage" if connection.access_level == "admin" else "ViewOnly",
    }
    return row if state.is_success else row | {"notes": state.message}


def _summary_url(connection: Connection) -> str:
    stem = connection.company.domain.partition(".")[0]
    return f"https://app.leadsie.com/client/{connection.client_id}/{stem}"


def _instant(time: int, precision: str) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _body(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(request.scope["sandbox.body"] or b"{}")
    except orjson.JSONDecodeError:
        raise RefusalError(400, "The body is not JSON") from None
    return body if isinstance(body, dict) else {}


def _keys(request: Request) -> list[str | None]:
    """In the body, as documented; the newer endpoints may have it elsewhere as well."""
    keys = [_body(request).get("apiKey")]
    if request.method != "POST":
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        keys += [
            request.headers.get("x-api-key"),
            request.query_params.get("apiKey"),
            token if scheme == "Bearer" else None,
        ]
    return keys
