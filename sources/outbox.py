"""Rows on their way from a stream to dlt: whole scopes with their markers, repeats removed."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa

from .streams import Batch, Slice, Stream
from .tables import Table, concat, last_batch_of_each, last_of_each

# states of rows that are held in memory before all but the last of each are let go
KEPT = 20_000


def digest_of(batch: Batch) -> str:
    """What tells a snapshot from one with other rows or columns, whatever the order of its rows."""
    digest = hashlib.sha256()
    for name, rows in sorted(batch.items()):
        digest.update(f"{name} {rows.schema.names}".encode())
        for row in sorted(map(repr, rows.to_pylist())):
            digest.update(row.encode())
    return digest.hexdigest()


def is_new(table: Table, known: Mapping[str, Any]) -> bool:
    """Whether a table, or one of its declared columns, has never been loaded."""
    return not set(table.schema.names) <= set(known.get(table.name, {}).get("columns", {}))


def _is_kept(table: Table) -> bool:
    """Whether only the last state of a row that a piece has seen is loaded."""
    return bool(table.owner) or not (table.scope or table.whole)


class Outbox:
    """Rows on their way to dlt: whole scopes with their markers, repeats removed.

    Tables without a scope (and the children of their rows) are kept to the end of the piece, because the last state
    that was seen of a row is the one to load.
    """

    def __init__(self, stream: Stream, known: Mapping[str, Any]) -> None:
        self.tables = {table.name: table for table in stream.tables}
        self._parts: dict[str, list[pa.Table]] = {name: [] for name in self.tables}
        self._compact_at = dict.fromkeys(self.tables, KEPT)
        self._hinted: set[str] = set()
        self.rows = 0
        for table in stream.tables:
            if is_new(table, known):
                self._parts[table.name].append(table.markers())

    def add(self, batch: Batch, read: Slice) -> None:
        for name, table in self.tables.items():
            rows = batch[name]
            self.rows += rows.num_rows
            if table.owner:
                owner = self.tables[table.owner]
                rows = concat([table.markers_of(batch[owner.name], owner.key), rows])
            elif table.scope or table.whole:
                rows = concat([table.markers(read.scopes), rows])
            parts = self._parts[name]
            parts.append(rows)
            if _is_kept(table) and sum(part.num_rows for part in parts) > self._compact_at[name]:
                # many states of the same rows: memory grows with the rows, not with the days
                parts[:] = [self._united(table, parts)]
                self._compact_at[name] = parts[0].num_rows + KEPT

    @staticmethod
    def _united(table: Table, parts: Sequence[pa.Table]) -> pa.Table:
        if table.owner:
            return last_batch_of_each(parts, table.scope)
        return last_of_each(concat(parts), table.key) if _is_kept(table) else concat(parts)

    def flush(self, everything: bool = False) -> Iterator[Any]:
        for name, table in self.tables.items():
            parts = self._parts[name]
            if not parts or not (everything or not _is_kept(table)):
                continue
            rows = self._united(table, parts)
            self._parts[name] = []
            if not rows.num_rows:
                # dlt's fast path into PostgreSQL does not take a file without rows
                continue
            hinted = name in self._hinted
            self._hinted.add(name)
            yield (
                dlt.mark.with_table_name(rows, name)
                if hinted
                else dlt.mark.with_hints(rows, table.resource_hints(), create_table_variant=True)
            )
        self.rows = 0
