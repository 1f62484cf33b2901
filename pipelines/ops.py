"""`ops`: what the loader writes of itself, declared column by column; each change is a transaction of its own."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from dlt.destinations.exceptions import DatabaseUndefinedRelation

from sources.windows import Days

from .warehouse import OPS, Warehouse, make, swap


@dataclass(frozen=True)
class Column:
    """One column; `type` is the type that both databases know."""

    name: str
    type: str
    about: str
    required: bool = False


@dataclass(frozen=True)
class OpsTable:
    """One table of `ops`."""

    name: str
    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def replace(
        self, warehouse: Warehouse, condition: str, arguments: Sequence[object], rows: Sequence[Sequence[object]]
    ) -> None:
        """Write rows in place of those of a condition, at once."""
        columns = ", ".join(f"{c.name} {c.type}{' NOT NULL' if c.required else ''}" for c in self.columns)
        with warehouse.open() as client:
            make(client, f"CREATE SCHEMA IF NOT EXISTS {OPS}")
            make(client, f"CREATE TABLE IF NOT EXISTS {OPS}.{self.name} ({columns})")
            swap(client, f"{OPS}.{self.name}", condition, arguments, rows)


RUNS = OpsTable(
    "runs",
    (
        Column("run_id", "TEXT", "The run; one `leadhouse sync` is one run.", required=True),
        Column("vendor", "TEXT", "The vendor.", required=True),
        Column("account_id", "TEXT", "The account; null where the vendor has none."),
        Column("stream", "TEXT", "The stream.", required=True),
        Column("started_at", "TIMESTAMP WITH TIME ZONE", "When it was begun."),
        Column("finished_at", "TIMESTAMP WITH TIME ZONE", "When it had ended; null if the run was killed."),
        Column("status", "TEXT", "ok, skipped, incomplete, failed or interrupted; running while it is at work."),
        Column("window_start", "DATE", "The first day that was asked for."),
        Column("window_end", "DATE", "The last day that was asked for."),
        Column("rows", "BIGINT", "Rows that were read into the stream's first table."),
        Column("requests", "BIGINT", "Requests that were made, retries among them."),
        Column("retries", "BIGINT", "Requests that were made again."),
        Column("seconds_waited", "DOUBLE PRECISION", "Seconds that were waited for the vendor's limit."),
        Column("credits_charged", "BIGINT", "Credits that the vendor charged; null where nothing costs any."),
        Column("error", "TEXT", "What kept data away."),
    ),
)
INCOMPLETE_DAYS = OpsTable(
    "incomplete_days",
    (
        Column("vendor", "TEXT", "The vendor.", required=True),
        Column("account_id", "TEXT", "The account.", required=True),
        Column("stream", "TEXT", "The stream.", required=True),
        Column(
            "date", "DATE", "The day that the vendor would not show in full, until a later run loads it.", required=True
        ),
        Column("reason", "TEXT", "Why."),
    ),
)
LOADED_DAYS = OpsTable(
    "loaded_days",
    (
        Column("vendor", "TEXT", "The vendor.", required=True),
        Column("account_id", "TEXT", "The account; null where the vendor has none."),
        Column("stream", "TEXT", "The stream.", required=True),
        Column("loaded_from", "DATE", "The first of the days that daily runs have loaded without a gap."),
        Column("loaded_until", "DATE", "The last of them: where the next run goes on."),
    ),
)
UNSETTLED = OpsTable(
    "unsettled",
    (
        Column("vendor", "TEXT", "The vendor.", required=True),
        Column("table_name", "TEXT", "The table; empty for days that were read although later ones were loaded."),
        Column("account_id", "TEXT", "The account."),
        Column("first_day", "DATE", "The first day that was read."),
        Column("last_day", "DATE", "The last one."),
    ),
)
TABLES = (RUNS, INCOMPLETE_DAYS, LOADED_DAYS, UNSETTLED)


def record(warehouse: Warehouse, run_id: str, vendor: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Replace what `ops.runs` says of a vendor's run."""
    values = [[row[name] for name in RUNS.names] for row in rows]
    RUNS.replace(warehouse, "run_id = %s AND vendor = %s", (run_id, vendor), values)


def record_killed(warehouse: Warehouse, vendor: str) -> None:
    """Say of runs that did not come to tell how they ended that they were interrupted; none may be at work."""
    with warehouse.open() as client, suppress(DatabaseUndefinedRelation):
        client.execute_sql(
            f"UPDATE {OPS}.runs SET status = 'interrupted' WHERE vendor = %s AND status = 'running'",  # noqa: S608
            vendor,
        )


def record_incomplete(warehouse: Warehouse, vendor: str, rows: Sequence[Sequence[object]]) -> None:
    """Replace what `ops.incomplete_days` says of a vendor: (vendor, account_id, stream, date, reason)."""
    INCOMPLETE_DAYS.replace(warehouse, "vendor = %s", (vendor,), rows)


def record_loaded(warehouse: Warehouse, vendor: str, spans: Mapping[tuple[str | None, str], Days]) -> None:
    """Replace what `ops.loaded_days` says of a vendor: days by account and stream."""
    rows = [(vendor, account, stream, days.first, days.last) for (account, stream), days in spans.items()]
    LOADED_DAYS.replace(warehouse, "vendor = %s", (vendor,), rows)


@dataclass(frozen=True)
class Unsettled:
    """Days whose rows are loaded and not yet settled (`Warehouse.settle`): `read` by table and account."""

    reread: Days | None = None
    read: Mapping[str, Mapping[str, Days]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.reread is not None or any(self.read.values())

    def record(self, warehouse: Warehouse, vendor: str) -> None:
        """Write them down in place of what was there: should the process be killed, the next one settles them."""
        spans = [("", "", self.reread)] if self.reread else []
        spans += [(table, account, days) for table, found in self.read.items() for account, days in found.items()]
        rows = [(vendor, table, account, days.first, days.last) for table, account, days in spans]
        UNSETTLED.replace(warehouse, "vendor = %s", (vendor,), rows)


def unsettled(warehouse: Warehouse, vendor: str) -> Unsettled:
    """What a run that was killed has left."""
    reread, read = None, defaultdict[str, dict[str, Days]](dict)
    for table, account, first, last in warehouse.query(
        f"SELECT table_name, account_id, first_day, last_day FROM {OPS}.unsettled WHERE vendor = %s",  # noqa: S608
        vendor,
    ):
        if table:
            read[table][account] = Days(first, last)
        else:
            reread = Days(first, last)
    return Unsettled(reread, read)
