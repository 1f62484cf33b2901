"""What Leadsie holds, read the plainest way: one request, and nothing shared with `sources/`.

A second reading of the document that the warehouse must equal.
"""

from datetime import UTC, datetime
from typing import Any

import requests

from sandbox import Sandbox

Row = dict[str, Any]
IDENTITY = ("user_id", "request_url", "access_level")


def connections(sandbox: Sandbox) -> list[Row]:
    """Each connection, with its assets under `assets`; a connection is named by its user, address and access level."""
    settings = sandbox.settings()
    answer = requests.post(
        settings["SOURCES__LEADSIE__BASE_URL"] + "/api/checkUserStatus",
        json={"apiKey": settings["SOURCES__LEADSIE__API_KEY"]},
        timeout=30,
    )
    answer.raise_for_status()
    return [_connection(row) for row in answer.json()["allConnections"]]


def _connection(row: Row) -> Row:
    assets = [_asset(asset) for asset in row["connectionAssets"]]
    return {
        "user_id": str(row["user"]),
        "custom_user_id": row.get("customUserId"),
        "request_url": row["requestUrl"],
        "request_name": row["requestName"],
        "access_level": row["accessLevel"],
        "status": row["status"],
        "last_asset_time": max((asset["time"] for asset in assets), default=None),
        "client_name": row.get("clientName"),
        "api_version": str(row["apiVersion"]) if "apiVersion" in row else None,
        "assets": assets,
    }


def _asset(asset: Row) -> Row:
    return {
        "type": asset["type"],
        "id": asset["id"],
        "name": asset["name"],
        "is_success": asset.get("isSuccess"),
        "message": asset.get("message"),
        "time": datetime.fromisoformat(asset["time"]).astimezone(UTC),
        "connection_status": asset.get("connectionStatus"),
        "notes": asset.get("notes"),
        "assigned_users": asset.get("assignedUsers"),
    }
