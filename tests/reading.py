"""What a warehouse holds, in a form that two of them, or one and a vendor, can be compared in."""

import json
from collections.abc import Iterable
from typing import Any

from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sources.streams import Stream
from sources.tables import Table

Rows = list[dict[str, Any]]


def streams_of(vendor: str) -> tuple[Stream, ...]:
    """The vendor's streams that are on where nothing is set."""
    return tuple(stream for stream in VENDORS[vendor].package.STREAMS if not stream.optional)


def tables_of(vendor: str) -> list[Table]:
    """The declared tables of these streams, each once."""
    return list({table.name: table for stream in streams_of(vendor) for table in stream.tables}.values())


def rows_of(warehouse: Warehouse, vendor: str, table: str) -> Rows:
    """All rows of a table as dicts, in the order of their values; JSON columns parsed."""
    with warehouse.open() as client, client.execute_query(f"SELECT * FROM {vendor}.{table}") as cursor:
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    declared = (t for stream in VENDORS[vendor].package.STREAMS for t in stream.tables if t.name == table)
    json_columns = {c.name for t in declared for c in t.columns if c.type == "json"}
    for row in rows:
        for name in json_columns & set(row):
            if isinstance(row[name], str):
                row[name] = json.loads(row[name])
    return in_order(rows)


def in_order(rows: Iterable[dict[str, Any]]) -> Rows:
    return sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))


def dump(warehouse: Warehouse, vendor: str) -> dict[str, Rows]:
    """Every table of these streams, read in one go."""
    with warehouse.open():
        return {table.name: rows_of(warehouse, vendor, table.name) for table in tables_of(vendor)}
