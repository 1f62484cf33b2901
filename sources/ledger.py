"""What a source must not forget while it waits: small rows, committed one by one, outside of load packages.

dlt commits a resource's state with its load package; what was written before a crash in mid-extract is lost. Whoever
drives the sources hands them a ledger that lasts.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from .tables import Table


class Ledger(Protocol):
    """Rows of tables by their key. What `put` and `remove` were given is committed when they return."""

    def rows(self, table: Table) -> list[dict[str, Any]]: ...

    def put(self, table: Table, row: Mapping[str, object], instead_of: Mapping[str, object] | None = None) -> None:
        """Write a row in place of the one with its key, and of the one with the key of `instead_of`."""
        ...

    def remove(self, table: Table, row: Mapping[str, object]) -> None:
        """Take the row with the key of `row` away."""
        ...

    def requests_since(self, start: datetime) -> int:
        """The requests that all runs of the vendor together have made."""
        ...


class MemoryLedger:
    """A ledger that lasts as long as the process, for pipelines that have no other."""

    def __init__(self) -> None:
        self._rows: dict[tuple[object, ...], dict[str, Any]] = {}

    def rows(self, table: Table) -> list[dict[str, Any]]:
        return [row for key, row in self._rows.items() if key[0] == table.name]

    def put(self, table: Table, row: Mapping[str, object], instead_of: Mapping[str, object] | None = None) -> None:
        if instead_of is not None:
            self.remove(table, instead_of)
        self._rows[(table.name, *(row[name] for name in table.key))] = dict(row)

    def remove(self, table: Table, row: Mapping[str, object]) -> None:
        self._rows.pop((table.name, *(row[name] for name in table.key)), None)

    def requests_since(self, start: datetime) -> int:  # noqa: ARG002 — it remembers none
        return 0


class PipelineLedger(MemoryLedger):
    """The ledger of a source in a pipeline of somebody's own: what has been loaded is in that pipeline's dataset."""

    def rows(self, table: Table) -> list[dict[str, Any]]:
        with dlt.current.pipeline().sql_client() as client:
            try:
                with client.execute_query(f"SELECT * FROM {client.make_qualified_table_name(table.name)}") as cursor:  # noqa: S608
                    names = [column[0] for column in cursor.description]
                    loaded = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            except DatabaseUndefinedRelation:
                loaded = []
        return [*loaded, *super().rows(table)]
