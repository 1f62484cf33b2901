"""What the warehouse knows of a list, and what has been seen to differ from it: only that is written.

Rows are compared after personal data has been hashed or dropped, as the warehouse has them.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from ..columns import snake_case
from ..pii import Pii
from ..tables import Table
from . import tables
from .api import Item

Row = dict[str, Any]

TICK = timedelta(microseconds=1)


class History:
    """Every status of every lead; what begins and ends is noted with the instant at which it was seen."""

    table = tables.LEAD_STATUS_HISTORY

    def __init__(self, rows: Iterable[Row]) -> None:
        self._open: dict[str, Row] = {}
        self._last: dict[str, datetime] = {}
        self._changed: dict[tuple[str, datetime], Row] = {}
        for row in rows:
            lead = row["lead_id"]
            self._last[lead] = max(row["valid_to"] or row["valid_from"], self._last.get(lead, row["valid_from"]))
            if row["valid_to"] is None:
                self._open[lead] = row

    def note(self, lead: str, status: str | None, now: datetime) -> None:
        """A lead was seen in a status; None where it has none any more, or is gone."""
        known = self._open.get(lead)
        if (known["status"] if known else None) == status:
            return
        if lead in self._last:
            # two states of one lead never begin at the same instant
            now = max(now, self._last[lead] + TICK)
        self._last[lead] = now
        if known is not None:
            self._write(known | {"valid_to": now})
            del self._open[lead]
        if status is not None:
            self._open[lead] = {"lead_id": lead, "status": status, "valid_from": now, "valid_to": None}
            self._write(self._open[lead])

    def changes(self) -> pa.Table:
        """What has changed since the last call."""
        rows, self._changed = list(self._changed.values()), {}
        return pa.Table.from_pylist(rows, self.table.schema)

    def _write(self, row: Row) -> None:
        self._changed[row["lead_id"], row["valid_from"]] = row


class Known:
    """The rows of one list. `rows` are those of the warehouse with all that has been noted since."""

    def __init__(self, table: Table, rows: Iterable[Row], pii: Pii, history: History | None = None) -> None:
        self.table = table
        self.rows: dict[str, Row] = {row["id"]: row for row in rows}
        self._pii = pii
        self._history = history
        self._listed = {column.name for column in table.columns if column.listed}
        self._changed: set[str] = set()

    @property
    def due(self) -> list[Row]:
        """The rows whose details are not known, or not of the row as it is now."""
        return [row for row in self.rows.values() if row["updated_at"] is None and row["deleted_at"] is None]

    def listed(self, items: list[Item], now: datetime) -> None:
        """Rows as a list shows them: what only details have is kept, but is due again where the row has changed."""
        for row, said in self._read(items):
            known = self.rows.get(row["id"], {})
            seen = {name: v for name, v in row.items() if v is not None or name in said or name in self._listed}
            if any(known.get(name) != value for name, value in seen.items()) or not known:
                self._write(known | {"updated_at": None} | seen)
            self._note_status(row["id"], now)

    def detailed(self, item: Item, now: datetime) -> None:
        """A row by itself: what it does not say stays as it is."""
        ((row, said),) = self._read([item])
        self._write(self.rows[row["id"]] | {name: value for name, value in row.items() if name in said})
        self._note_status(row["id"], now)

    def missing(self, seen: set[str], now: datetime) -> None:
        """The list has been read whole, and shows no other rows than these."""
        for row_id, row in list(self.rows.items()):
            if row_id not in seen and row["deleted_at"] is None:
                self._write(row | {"deleted_at": now})
                if self._history is not None:
                    self._history.note(row_id, None, now)

    def changes(self) -> Iterator[Any]:
        """What has changed since the last call, as items that a dlt resource yields."""
        rows = [self.rows[row_id] for row_id in sorted(self._changed)]
        self._changed.clear()
        if rows:
            more = sorted({name for row in rows for name in row} - set(self.table.schema.names))
            schema = pa.schema([*self.table.schema, *(pa.field(name, pa.string()) for name in more)])
            # a detail that was loaded before personal data was to be hashed or dropped
            yield self.table.hinted(self._pii.clean(self.table, pa.Table.from_pylist(rows, schema)))
        if self._history is not None and (states := self._history.changes()).num_rows:
            yield self._history.table.hinted(states)

    def _read(self, items: list[Item]) -> Iterator[tuple[Row, set[str]]]:
        """Each item as a row of the warehouse, and the columns that it says something of."""
        rows = self._pii.clean(self.table, self.table.rows(items, deleted_at=None))
        for row, item in zip(rows.to_pylist(), items, strict=True):
            yield row, {snake_case(name) for name in item}

    def _write(self, row: Row) -> None:
        self.rows[row["id"]] = row
        self._changed.add(row["id"])

    def _note_status(self, row_id: str, now: datetime) -> None:
        if self._history is not None:
            self._history.note(row_id, self.rows[row_id]["status"], now)
