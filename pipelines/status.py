"""What the warehouse holds, per vendor, stream and account."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import dlt

from sources.positions import Positions
from sources.settings import listed
from sources.streams import Stream

from .freshness import max_ages, words
from .ledger import WarehouseLedger
from .vendors import VENDORS, Vendor
from .warehouse import Warehouse


@dataclass(frozen=True)
class StreamStatus:
    """How far one stream of one account is loaded, and how its last run ended.

    A stream of several feeds is loaded as far as the one that lags most. `pending` are export requests that an earlier
    run submitted, with their age. `age_seconds` have passed since the end of the newest run that was ok; None where
    none was. The stream is `stale` where that is more than `max_age_seconds`, and it is neither off nor skipped.
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
    age_seconds: int | None
    max_age_seconds: int | None
    stale: bool

    @property
    def complaint(self) -> str:
        """What is wrong with a stale stream, in a sentence."""
        place = ", ".join(filter(None, (self.vendor, self.account_id and f"account {self.account_id}", self.stream)))
        allowed = words(timedelta(seconds=self.max_age_seconds or 0))
        if self.age_seconds is None:
            return f"{place}: stale: no run was ok yet, and {allowed} are allowed"
        age = words(timedelta(seconds=self.age_seconds))
        return f"{place}: stale: the last run that was ok ended {age} ago, and {allowed} are allowed"


@dataclass
class _Runs:
    """The runs of a stream of an account: the newest, how the newest that is over ended, when the last ok one did."""

    started_at: datetime
    status: str
    outcome: str | None = None
    ok_at: datetime | None = None


def status(warehouse: Warehouse, now: datetime) -> list[StreamStatus]:
    """One line per vendor, account and stream that the warehouse knows of. Raises SettingError."""
    ages = max_ages()
    if not warehouse.exists:
        return []
    with warehouse.open():
        return [line for vendor in VENDORS.values() for line in _vendor(warehouse, vendor, now, ages)]


def positions(warehouse: Warehouse, vendor: str) -> Positions:
    """The vendor's positions as the warehouse has them, whatever this machine remembers."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(vendor, destination=warehouse.destination, dataset_name=vendor, pipelines_dir=folder)
        pipeline.sync_destination()
        state: dict[str, Any] = pipeline.state.get("sources", {}).get(vendor, {})
        pipeline.deactivate()
    return Positions(state)


def _vendor(
    warehouse: Warehouse, vendor: Vendor, now: datetime, ages: Mapping[tuple[str, str], timedelta]
) -> Iterator[StreamStatus]:
    runs = _runs(warehouse, vendor)
    if not runs:
        return
    settings = vendor.package.settings() if any(name == vendor.name for name, _ in ages) else None
    known = positions(warehouse, vendor.name)
    spans = known.spans()
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
            run = runs[account, name]
            age, max_age = now - run.ok_at if run.ok_at else None, ages.get((vendor.name, name))
            days = spans.get((account, name))
            yield StreamStatus(
                vendor=vendor.name,
                account_id=account,
                stream=name,
                loaded_from=days.first if days else None,
                loaded_until=days.last if days else None,
                rows=rows.get(account, 0),
                last_run_at=run.started_at,
                last_run_status=run.status,
                incomplete_days=sorted(
                    {
                        day.isoformat()
                        for owner, part, day, _ in known.all_incomplete()
                        if owner == account and _is_part(part, name)
                    }
                ),
                pending=[text for owner, text in waiting if owner == account],
                age_seconds=int(age.total_seconds()) if age is not None else None,
                max_age_seconds=int(max_age.total_seconds()) if max_age is not None else None,
                stale=max_age is not None
                and (age is None or age > max_age)
                and run.outcome != "skipped"
                and not _is_off(settings, stream, account),
            )


def _runs(warehouse: Warehouse, vendor: Vendor) -> dict[tuple[str | None, str], _Runs]:
    """By account and stream."""
    found: dict[tuple[str | None, str], _Runs] = {}
    for account, stream, started, finished, ended in warehouse.query(
        "SELECT account_id, stream, started_at, finished_at, status FROM ops.runs "
        "WHERE vendor = %s ORDER BY started_at",
        vendor.name,
    ):
        told = [found.setdefault((account, stream), _Runs(started, ended))]
        others = [run for (other, name), run in found.items() if name == stream and other]
        if account is None and others:
            # whoever is refused the first request is told nothing of any account
            told = others
        if others:
            found.pop((None, stream), None)
        for run in told:
            run.started_at, run.status = started, ended
            run.outcome = ended if finished else run.outcome
            run.ok_at = finished if ended == "ok" else run.ok_at
    return found


def _is_off(settings: Any, stream: Stream, account: str | None) -> bool:
    """Whether the settings leave the stream, or the account, out by now."""
    if stream.optional and not getattr(settings, stream.optional):
        return True
    if stream.parts and listed(getattr(settings, stream.parts)) == ():
        return True
    chosen = listed(settings.account_ids) or ()
    return bool(chosen) and account is not None and account not in chosen


def _is_part(name: str, stream: str) -> bool:
    """Whether a position is the stream's, or that of one of its feeds."""
    return name.split("/")[0] == stream


def _waiting(warehouse: Warehouse, vendor: Vendor, stream: Stream, now: datetime) -> Iterator[tuple[str, str]]:
    """Account, and a line on each of its export requests that is not finished."""
    for row in WarehouseLedger(warehouse, vendor.name).rows(stream.ledger) if stream.ledger else ():
        if row["finished_at"] is None:
            minutes = int((now - row["submitted_at"]).total_seconds() // 60)
            span = f"{row['start_date']}…{row['end_date']}"
            yield row["account_id"], f"{row['custom_feed_id']} {span}, {row['status']} for {minutes} min"
