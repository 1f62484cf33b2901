"""docs/tables.md, written from the declarations: every table and column of the vendors, the loader and the models.

`python -m pipelines.tables_page` writes the page.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from sources.tables import Table

from .ledger import SQL_TYPES
from .ops import TABLES as OPS_TABLES
from .vendors import VENDORS
from .warehouse import OPS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/tables.md"
MARTS = Path(__file__).with_name("models") / "layers/marts"

# a column that leads to another table says so with these words
REFERENCE = re.compile(r"→ (\w+)\.(\w+)")

INTRODUCTION = """# The tables

Every table and column, generated from the declarations that type them: `make tables` writes this page. Ids are text,
days are DATE, instants are TIMESTAMP WITH TIME ZONE in UTC. Columns that dlt adds begin with `_dlt`. Fields that a
vendor adds tomorrow arrive as new text columns.

The lines of the diagrams are the joins: many rows of the first table refer to one of the second. Where both have an
`account_id`, join by it as well.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for vendor in VENDORS.values():
        tables = {table.name: table for stream in vendor.package.STREAMS for table in stream.tables}
        tables |= {stream.ledger.name: stream.ledger for stream in vendor.package.STREAMS if stream.ledger}
        parts += [f"## {vendor.name}\n", diagram(tables)]
        parts += [_vendors(vendor.name, table, tables) for table in tables.values()]
    parts.append(f"## {OPS}\n\nWhat the loader writes of itself.\n")
    for each in OPS_TABLES:
        described = [(column.name, column.type, column.about) for column in each.columns]
        parts.append(_columns(f"{OPS}.{each.name}", "", ("column", "type"), described))
    parts.append("## marts\n\nWhat `leadhouse transform` builds.\n")
    for model in sorted(models(), key=lambda model: str(model["name"])):
        named = ((column["name"], column.get("description", "")) for column in model["columns"])
        parts.append(_columns(f"marts.{model['name']}", model["description"], ("column",), named))
    return "\n".join(parts)


def models() -> Iterator[dict[str, Any]]:
    """The marts as their own files describe them."""
    for path in sorted(MARTS.glob("*.yml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])


def references(table: Table, tables: Mapping[str, Table]) -> Iterator[tuple[str, str, str]]:
    """What a table joins: its column, the other table and that one's column."""
    for column in table.columns:
        found = REFERENCE.search(column.about)
        if found and found[1] in tables:
            yield column.name, found[1], found[2]


def diagram(tables: Mapping[str, Table]) -> str:
    """How the tables of a vendor join, in mermaid's words."""
    lines = [
        f"    {table.name} }}o--|| {other} : {column}"
        for table in tables.values()
        for column, other, _ in references(table, tables)
        if column != "account_id"
    ]
    if not lines:
        return ""
    return "\n".join(["```mermaid", "erDiagram", *lines, "```", ""])


def _vendors(dataset: str, table: Table, tables: Mapping[str, Table]) -> str:
    joins = {column: f"[{other}](#{dataset}{other}).{theirs}" for column, other, theirs in references(table, tables)}
    rows = []
    for column in table.columns:
        about = column.about
        if column.name in joins:
            about = REFERENCE.sub(f"→ {joins[column.name]}", about)
        if column.pii and "ersonal data" not in about:
            about = f"{about} Personal data.".strip()
        rows.append(
            (f"{column.name} (key)" if column.name in table.key else column.name, SQL_TYPES[column.type], about)
        )
    return _columns(f"{dataset}.{table.name}", table.about, ("column", "type"), rows)


def _columns(name: str, about: str, header: tuple[str, ...], rows: Any) -> str:
    lines = [f"### {name}", ""]
    if about:
        lines += [about, ""]
    lines += [f"| {' | '.join(header)} | what it is |", "|" + "---|" * (len(header) + 1)]
    lines += [f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([*lines, ""])


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
