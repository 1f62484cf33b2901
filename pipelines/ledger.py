"""The loader's own rows: the ledgers of the vendors, and `ops`; each change is a transaction of its own."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from sources.columns import Type
from sources.tables import Table

from .warehouse import OPS, Warehouse, make

_OPS_TABLES = {
    "runs": (
        "run_id TEXT NOT NULL, vendor TEXT NOT NULL, account_id TEXT, stream TEXT NOT NULL, "
        "started_at TIMESTAMP WITH TIME ZONE, finished_at TIMESTAMP WITH TIME ZONE, status TEXT, "
        "window_start DATE, window_end DATE, rows BIGINT, requests BIGINT, retries BIGINT, "
        "seconds_waited DOUBLE PRECISION, credits_charged BIGINT, error TEXT"
    ),
    "incomplete_days": (
        "vendor TEXT NOT NULL, account_id TEXT NOT NULL, stream TEXT NOT NULL, date DATE NOT NULL, reason TEXT"
    ),
}
RUN_COLUMNS = tuple(part.split()[0] for part in _OPS_TABLES["runs"].split(", "))
_SQL_TYPES: dict[Type, str] = {
    "id": "TEXT",
    "text": "TEXT",
    "bigint": "BIGINT",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}


def record(warehouse: Warehouse, run_id: str, vendor: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Replace what `ops.runs` says of a vendor's run."""
    values = [[row[column] for column in RUN_COLUMNS] for row in rows]
    _replace(warehouse, "runs", "run_id = %s AND vendor = %s", (run_id, vendor), values)


def record_incomplete(warehouse: Warehouse, vendor: str, rows: Sequence[Sequence[object]]) -> None:
    """Replace what `ops.incomplete_days` says of a vendor: (vendor, account_id, stream, date, reason)."""
    _replace(warehouse, "incomplete_days", "vendor = %s", (vendor,), rows)


class WarehouseLedger:
    """`sources.ledger.Ledger` in a vendor's dataset."""

    def __init__(self, warehouse: Warehouse, vendor: str) -> None:
        self._warehouse = warehouse
        self._vendor = vendor

    def make(self, tables: Iterable[Table]) -> None:
        """Make the tables, where they do not exist yet."""
        with self._warehouse.open() as client:
            for table in tables:
                columns = ", ".join(f"{c.name} {_SQL_TYPES[c.type]}" for c in table.columns)
                make(client, f"CREATE SCHEMA IF NOT EXISTS {self._vendor}")
                make(client, f"CREATE TABLE IF NOT EXISTS {self._vendor}.{table.name} ({columns})")

    def rows(self, table: Table) -> list[dict[str, Any]]:
        if table.open is not None:
            # the fields that the vendor has added are there as well
            return self._warehouse.records(f"SELECT * FROM {self._vendor}.{table.name}")  # noqa: S608 — own names
        names = [column.name for column in table.columns]
        listed = ", ".join(names)
        rows = self._warehouse.query(f"SELECT DISTINCT {listed} FROM {self._vendor}.{table.name}")  # noqa: S608 — own names
        return [dict(zip(names, row, strict=True)) for row in rows]

    def put(self, table: Table, row: Mapping[str, object], instead_of: Mapping[str, object] | None = None) -> None:
        self._swap(table, row, row, *([instead_of] if instead_of is not None else []))

    def remove(self, table: Table, row: Mapping[str, object]) -> None:
        self._swap(table, None, row)

    def requests_since(self, start: datetime) -> int:
        made = self._warehouse.query(
            f"SELECT sum(requests) FROM {OPS}.runs WHERE vendor = %s AND started_at >= %s",  # noqa: S608 — own names
            self._vendor,
            start,
        )
        return int(made[0][0] or 0) if made else 0

    def _swap(self, table: Table, row: Mapping[str, object] | None, *instead_of: Mapping[str, object]) -> None:
        """Write one row, or none, in place of the rows with the keys of `instead_of`, at once."""
        name = f"{self._vendor}.{table.name}"
        one = " AND ".join(f"{key} = %s" for key in table.key)
        former = [each[key] for each in instead_of for key in table.key]
        with self._warehouse.open() as client:
            rows = [[row[column.name] for column in table.columns]] if row is not None else []
            _swap(client, name, " OR ".join(f"({one})" for _ in instead_of), former, rows)
            self._warehouse.publish(name)


def _replace(
    warehouse: Warehouse, table: str, condition: str, arguments: Sequence[object], rows: Sequence[Sequence[object]]
) -> None:
    with warehouse.open() as client:
        make(client, f"CREATE SCHEMA IF NOT EXISTS {OPS}")
        make(client, f"CREATE TABLE IF NOT EXISTS {OPS}.{table} ({_OPS_TABLES[table]})")
        _swap(client, f"{OPS}.{table}", condition, arguments, rows)


def _swap(
    client: SqlClientBase[Any],
    table: str,
    condition: str,
    arguments: Sequence[object],
    rows: Sequence[Sequence[object]],
) -> None:
    """Delete the rows of a condition and insert others, in one transaction."""
    with client.begin_transaction():
        client.execute_sql(f"DELETE FROM {table} WHERE {condition}", *arguments)  # noqa: S608 — own names
        if rows:
            places = ", ".join(f"({', '.join(['%s'] * len(row))})" for row in rows)
            client.execute_sql(f"INSERT INTO {table} VALUES {places}", *[v for row in rows for v in row])  # noqa: S608
