"""What makes two connections the same one, and what is known of each when all answers are put together.

The vendor gives a connection no id and no time. It is told from others by its user, its request's address and its
access level; the customUserId is overwritten when the person returns with another one, so it is no part of it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from ..errors import AnswerError
from ..windows import parse_instant

Row = dict[str, Any]

ASSETS = "connectionAssets"
# ours, beside the vendor's fields
CONNECTION_ID, LAST_ASSET_TIME = "#connection_id", "#last_asset_time"
NEVER = datetime.min.replace(tzinfo=UTC)
SUCCEEDED = frozenset({"success", "connected"})


def connection_id(row: Row) -> str:
    """32 hex digits; a user as number or as text is the same one. Raises AnswerError where nothing tells it apart."""
    parts = [str(row.get(name) or "") for name in ("user", "requestUrl", "accessLevel")]
    if not any(parts):
        raise AnswerError("a connection has neither user nor requestUrl nor accessLevel")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def united(rows: Iterable[Row]) -> list[Row]:
    """Each connection once, with its id, the newest state of each of its assets, and the newest time of these."""
    known: dict[str, Row] = {}
    for row in rows:
        key = connection_id(row)
        known[key] = _joined(known[key], row) if key in known else row
    return [
        {**row, CONNECTION_ID: key, LAST_ASSET_TIME: _text(_last_time(row)), ASSETS: _each_once(row)}
        for key, row in known.items()
    ]


def states(connections: Sequence[Row]) -> Iterator[Row]:
    """What each connection, and each of its assets, is like now: rows of the history, by the names of its columns."""
    for row in connections:
        whose = {
            "connection_id": row[CONNECTION_ID],
            "user_id": row.get("user"),
            "request_url": row.get("requestUrl"),
            "access_level": row.get("accessLevel"),
        }
        status = row.get("status")
        yield {
            **whose,
            "custom_user_id": row.get("customUserId"),
            "name": row.get("requestName"),
            "status": status,
            "is_success": _succeeded(status),
        }
        for asset in row[ASSETS]:
            status, granted = asset.get("connectionStatus"), asset.get("isSuccess")
            yield {
                **whose,
                "asset_type": asset["type"],
                "asset_id": asset["id"],
                "name": asset.get("name"),
                "status": status,
                "is_success": _succeeded(status) if granted is None else granted,
                "message": asset.get("message") or asset.get("notes"),
                "time": asset.get("time"),
            }


def _joined(one: Row, other: Row) -> Row:
    """The same connection from two answers, or twice in one: as its newest asset's answer has it, or the later."""
    older, newer = sorted((one, other), key=_last_time)
    said = {name: value for name, value in newer.items() if value not in (None, "")}
    return {**older, **said, ASSETS: [*_assets(older), *_assets(newer)]}


def _each_once(row: Row) -> list[Row]:
    known: dict[tuple[str, str], Row] = {}
    for asset in sorted(_assets(row), key=_time):
        if asset.get("type") in (None, ""):
            raise AnswerError("an asset has no type")
        # one that failed may have no id
        identity = str(asset.get("id") or asset.get("name") or "none")
        known[str(asset["type"]), identity] = {**asset, "id": identity}
    return list(known.values())


def _assets(row: Row) -> list[Row]:
    assets = row.get(ASSETS) or []
    if not isinstance(assets, list) or not all(isinstance(asset, dict) for asset in assets):
        raise AnswerError(f"a connection's {ASSETS} is not a list of objects")
    return assets


def _last_time(row: Row) -> datetime:
    return max(map(_time, _assets(row)), default=NEVER)


def _time(asset: Row) -> datetime:
    try:
        return parse_instant(str(asset["time"])) if asset.get("time") else NEVER
    except ValueError:
        raise AnswerError(f"an asset's time is {asset['time']!r:.80}, which is no instant") from None


def _text(time: datetime) -> str | None:
    return None if time == NEVER else time.isoformat()


def _succeeded(status: object) -> bool | None:
    return None if status in (None, "") else str(status).casefold() in SUCCEEDED
