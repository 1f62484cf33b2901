"""docs/tables.md: it is what the declarations say now, and its joins lead somewhere."""

import re

import pytest

from pipelines import tables_page
from pipelines.vendors import VENDORS, Vendor
from sources.columns import Column
from sources.tables import Table

from .pages import text

EACH_VENDOR = pytest.mark.parametrize("vendor", [*VENDORS.values()], ids=[*VENDORS])


def test_the_page_is_not_stale() -> None:
    assert text("docs/tables.md") == tables_page.page(), "make tables"


def test_every_table_and_column_is_there_and_explained() -> None:
    page = text("docs/tables.md")
    for vendor in VENDORS.values():
        for table in {table for stream in vendor.package.STREAMS for table in stream.tables}:
            _, _, section = page.partition(f"### {vendor.name}.{table.name}\n")
            rows = re.findall(r"^\| (\w+)(?: \(key\))? \| ([^|]+) \| (.*) \|$", section.partition("\n### ")[0], re.M)
            assert [name for name, *_ in rows if name != "column"] == [column.name for column in table.columns]
            assert all(kind and about for _, kind, about in rows)


@EACH_VENDOR
def test_joins_lead_to_a_column_that_is_there(vendor: Vendor) -> None:
    tables = {table.name: table for stream in vendor.package.STREAMS for table in stream.tables}
    for table in tables.values():
        for column in table.columns:
            if "→" in column.about:
                found = tables_page.REFERENCE.search(column.about)
                assert found, (table.name, column.about)
                assert found[2] in {other.name for other in tables[found[1]].columns}, (table.name, column.about)


def test_the_diagram_draws_what_a_column_says() -> None:
    leads = Table("leads", (Column("id", "id"),), key=("id",))
    visits = Table("visits", (Column("lead_id", "id", about="→ leads.id"), Column("x", about="→ gone.id")), key=())
    drawn = tables_page.diagram({"leads": leads, "visits": visits})
    assert drawn == "```mermaid\nerDiagram\n    visits }o--|| leads : lead_id\n```\n"
