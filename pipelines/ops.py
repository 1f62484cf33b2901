"""`ops`: what the loader writes of itself, declared column by column; each change is a transaction of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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
        self, warehouse: Warehouse, condition: str, arguments: Sequence[object], rows: Sequence[Mapping[str, object]]
    ) -> None:
        """Write rows in place of those of a condition, at once."""
        columns = ", ".join(f"{c.name} {c.type}{' NOT NULL' if c.required else ''}" for c in self.columns)
        values = [[row[name] for name in self.names] for row in rows]
        with warehouse.open() as client:
            make(client, f"CREATE SCHEMA IF NOT EXISTS {OPS}")
            make(client, f"CREATE TABLE IF NOT EXISTS {OPS}.{self.name} ({columns})")
            swap(client, f"{OPS}.{self.name}", condition, arguments, values)


RUNS = OpsTable(
    "runs",
    (
        Column("run_id", "TEXT", "The run; one `leadhouse sync` is one run.", required=True),
        Column("vendor", "TEXT", "The vendor.", required=True),
        Column("account_id", "TEXT", "The account; null where the vendor has none."),
        Column("stream", "TEXT", "The stream.", required=True),
        Column("started_at", "TIMESTAMP WITH TIME ZONE", "When it was begun."),
        Column("finished_at", "TIMESTAMP WITH TIME ZONE", "When it had ended; null if the run was killed."),
        Column("status", "TEXT", "ok, skipped, incomplete, failed or interrupted."),
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
TABLES = (RUNS, INCOMPLETE_DAYS)


def record(warehouse: Warehouse, run_id: str, vendor: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Replace what `ops.runs` says of a vendor's run."""
    RUNS.replace(warehouse, "run_id = %s AND vendor = %s", (run_id, vendor), rows)


def record_incomplete(warehouse: Warehouse, vendor: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Replace what `ops.incomplete_days` says of a vendor."""
    INCOMPLETE_DAYS.replace(warehouse, "vendor = %s", (vendor,), rows)
