"""What the warehouse holds, per vendor, stream and account."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import dlt

from sources.positions import Positions
from sources.streams import Stream

from .vendors import VENDORS, Vendor
from .warehouse import Warehouse


@dataclass(frozen=True)
class StreamStatus:
    """How far one stream of one account is loaded, and how its last run ended.

    A stream of several feeds is loaded as far as the one that lags most. `pending` are export requests that an earlier
    run submitted, with their age.
    """

    vendor: str
    account_id: str | None
    stream: str
    loaded_from: date | None
    loaded_until: date | None
    rows: int
    last_run_at: datetime | None
    last_run_status: str | None
    incomplete_days: list[str]
    pending: list[str]


def status(warehouse: Warehouse, now: datetime) -> list[StreamStatus]:
    """One line per vendor, account and stream that the warehouse knows of."""
    with warehouse.open():
        return [line for vendor in VENDORS.values() for line in _vendor(warehouse, vendor, now)]


def positions(warehouse: Warehouse, vendor: str) -> Positions:
    """The vendor's positions as the warehouse has them, whatever this machine remembers."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(vendor, destination=warehouse.destination, dataset_name=vendor, pipelines_dir=folder)
        pipeline.sync_destination()
        state: dict[str, Any] = pipeline.state.get("sources", {}).get(vendor, {})
        pipeline.deactivate()
    return Positions(state)


def _vendor(warehouse: Warehouse, vendor: Vendor, now: datetime) -> Iterator[StreamStatus]:
    runs = {
        (account, stream): (started, ended)
        for account, stream, started, ended in warehouse.query(
            "SELECT account_id, stream, started_at, status FROM ops.runs WHERE vendor = %s ORDER BY started_at",
            vendor.name,
        )
    }
    if not runs:
        return
    known = positions(warehouse, vendor.name)
    for stream in vendor.package.STREAMS:
        table = next(table for table in stream.tables if table.name == stream.name)
        # a CRM's accounts are rows, and none of those that a key can see
        by_account = any(account for account, name in runs if name == stream.name)
        counted = "account_id" if by_account else "NULL"
        rows = dict(
            warehouse.query(f"SELECT {counted}, count(*) FROM {vendor.name}.{table.name} GROUP BY 1")  # noqa: S608
        )
        waiting = list(_waiting(warehouse, vendor, stream, now))
        for account, name in sorted((key for key in runs if key[1] == stream.name), key=str):
            started, ended = runs[account, name]
            spans = [days for owner, part, days in known.all_loaded() if owner == account and _is_part(part, name)]
            yield StreamStatus(
                vendor=vendor.name,
                account_id=account,
                stream=name,
                loaded_from=max((days.first for days in spans), default=None),
                loaded_until=min((days.last for days in spans), default=None),
                rows=rows.get(account, 0),
                last_run_at=started,
                last_run_status=ended,
                incomplete_days=sorted(
                    {
                        day.isoformat()
                        for owner, part, day, _ in known.all_incomplete()
                        if owner == account and _is_part(part, name)
                    }
                ),
                pending=[text for owner, text in waiting if owner == account],
            )


def _is_part(name: str, stream: str) -> bool:
    """Whether a position is the stream's, or that of one of its feeds."""
    return name.split("/")[0] == stream


def _waiting(warehouse: Warehouse, vendor: Vendor, stream: Stream, now: datetime) -> Iterator[tuple[str, str]]:
    """Account, and a line on each of its export requests that is not finished."""
    for row in warehouse.ledger(vendor.name).rows(stream.ledger) if stream.ledger else ():
        if row["finished_at"] is None:
            minutes = int((now - row["submitted_at"]).total_seconds() // 60)
            span = f"{row['start_date']}…{row['end_date']}"
            yield row["account_id"], f"{row['custom_feed_id']} {span}, {row['status']} for {minutes} min"
