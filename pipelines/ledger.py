"""The ledgers of the vendors, in their datasets; each change is a transaction of its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sources.columns import Type
from sources.tables import Table

from .warehouse import OPS, Warehouse, make, swap

SQL_TYPES: Mapping[Type, str] = {
    "id": "TEXT",
    "text": "TEXT",
    "bigint": "BIGINT",
    "bool": "BOOLEAN",
    "decimal": "DECIMAL(38, 9)",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "json": "JSON",
}


class WarehouseLedger:
    """`sources.ledger.Ledger` in a vendor's dataset."""

    def __init__(self, warehouse: Warehouse, vendor: str) -> None:
        self._warehouse = warehouse
        self._vendor = vendor

    def make(self, tables: Iterable[Table]) -> None:
        """Make the tables, where they do not exist yet."""
        with self._warehouse.open() as client:
            for table in tables:
                columns = ", ".join(f"{c.name} {SQL_TYPES[c.type]}" for c in table.columns)
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
            swap(client, name, " OR ".join(f"({one})" for _ in instead_of), former, rows)
            self._warehouse.publish(name)
