"""How many rows landed."""

from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg2  # type: ignore[import-untyped, unused-ignore]

TABLES = ("visits", "visit_pages", "leads", "lead_days", "locations")


def of(place: Path | str) -> dict[str, int]:
    """Of our tables, as far as the floor makes them too; a DSN is PostgreSQL's."""
    return _count(place, {table: (f"leadfeeder_legacy.{table}", "*") for table in TABLES})


def by_the_book(file: Path) -> dict[str, int]:
    """Of what dlt made tables of by itself, by the names of ours."""
    return _count(
        file,
        {
            "visits": ("by_the_book.visits", "*"),
            "visit_pages": ("by_the_book.visits__attributes__visit_route", "*"),
            "leads": ("by_the_book.leads", "DISTINCT id"),
            "lead_days": ("by_the_book.leads", "*"),
        },
    )


def query(place: Path | str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements; the rows of the last one."""
    if isinstance(place, Path):
        with duckdb.connect(place) as connection:
            for statement in statements:
                connection.execute(statement)
            return connection.fetchall()
    with closing(psycopg2.connect(place)) as target:
        target.autocommit = True
        cursor = target.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _count(place: Path | str, tables: dict[str, tuple[str, str]]) -> dict[str, int]:
    counts = ", ".join(f"(SELECT count({what}) FROM {table})" for table, what in tables.values())  # noqa: S608 — own names
    return dict(zip(tables, query(place, f"SELECT {counts}")[0], strict=True))
