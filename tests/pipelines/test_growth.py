"""What a daily run looks up in a table that has grown."""

from contextlib import closing

import psycopg2
import pytest

from sources.leadfeeder_legacy import tables
from sources.tables import Table


@pytest.mark.parametrize("table", [tables.VISITS, tables.VISIT_PAGES, tables.LEAD_DAYS], ids=lambda table: table.name)
def test_postgres_finds_days_by_their_index(table: Table, postgres: str) -> None:
    """Of staged rows, it knows nothing but how many pages they fill."""
    account, day = table.scope
    scope = table.hints["write_disposition"]["destination_scope"].format(staging_table="staged")
    with closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE grown AS SELECT '6001' AS {account}, DATE '2020-01-01' + n / 100 AS {day}, "
            "repeat('x', 100) AS rest FROM generate_series(1, 200000) AS counter(n)"
        )
        cursor.execute(f"CREATE INDEX ON grown ({account}, {day})")
        cursor.execute("ANALYZE grown")
        cursor.execute("CREATE TABLE staged AS SELECT * FROM grown LIMIT 20000")
        cursor.execute(f"EXPLAIN DELETE FROM grown WHERE {scope}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on grown" not in plan, plan
    assert "on grown" in plan, plan
