"""The floor: `floor.py PLAN TARGET` fetches the pages of a plan one after another, and DuckDB makes tables of them.

One connection, one thread, pages written to disk as they come, no checks, no retries, no state. TARGET is a new DuckDB
file, or a PostgreSQL DSN into which the tables are then copied. A row that several pages show is kept once.
"""

import json
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

LOCATION = "relationships STRUCT(location STRUCT(data STRUCT(id VARCHAR)))"
INCLUDED = """STRUCT(id VARCHAR, attributes STRUCT(country VARCHAR, country_code VARCHAR, region VARCHAR,
    region_code VARCHAR, city VARCHAR, state_code VARCHAR))[]"""
ROUTE = """STRUCT(hostname VARCHAR, page_path VARCHAR, previous_page_path VARCHAR, time_on_page BIGINT,
    page_title VARCHAR, page_url VARCHAR, display_page_name VARCHAR)[]"""
VISITS = f"""STRUCT(id VARCHAR, {LOCATION}, attributes STRUCT(lead_id VARCHAR, started_at TIMESTAMPTZ, date DATE,
    hour BIGINT, source VARCHAR, medium VARCHAR, campaign VARCHAR, referring_url VARCHAR, keyword VARCHAR,
    query_term VARCHAR, country_code VARCHAR, page_depth BIGINT, visit_length BIGINT, device_type VARCHAR,
    lf_client_id VARCHAR, ga_client_ids JSON, adobe_cookies JSON, visit_route {ROUTE}))[]"""
LEADS = f"""STRUCT(id VARCHAR, {LOCATION}, attributes STRUCT(visits BIGINT, quality BIGINT, name VARCHAR,
    industry VARCHAR, first_visit_date DATE, last_visit_date DATE, status VARCHAR, dealfront_id VARCHAR,
    website_url VARCHAR, phone VARCHAR, linkedin_url VARCHAR, twitter_handle VARCHAR, facebook_url VARCHAR,
    employee_count BIGINT, employees_range STRUCT(min BIGINT, max BIGINT), crm_lead_id VARCHAR,
    crm_organization_id VARCHAR, logo_url VARCHAR, assignee VARCHAR, business_id VARCHAR, revenue VARCHAR,
    emailed_to VARCHAR, view_in_leadfeeder VARCHAR))[]"""
TABLES = {
    "visits": """
        SELECT account_id, o.id, o.relationships.location.data.id AS location_id, unnest(o.attributes)
        FROM visit WHERE rowid IN (SELECT min(rowid) FROM visit GROUP BY o.id)""",
    "visit_pages": """
        SELECT account_id, visit_id, position, visit_date, unnest(page) FROM (
            SELECT account_id, o.id AS visit_id, o.attributes.date AS visit_date,
                   unnest(o.attributes.visit_route) AS page,
                   generate_subscripts(o.attributes.visit_route, 1) - 1 AS position
            FROM visit WHERE rowid IN (SELECT min(rowid) FROM visit GROUP BY o.id))""",
    "lead_days": """
        SELECT account_id, o.id AS lead_id, day AS date, o.attributes.visits, o.attributes.quality
        FROM lead WHERE rowid IN (SELECT min(rowid) FROM lead GROUP BY o.id, day)""",
    "leads": """
        SELECT account_id, o.id, o.relationships.location.data.id AS location_id, unnest(o.attributes)
        FROM lead WHERE rowid IN (SELECT arg_max(rowid, day) FROM lead GROUP BY o.id)""",
    "locations": """
        SELECT DISTINCT ON (id) id, unnest(attributes) FROM (
            SELECT o.id, o.attributes FROM (SELECT unnest(included) AS o FROM visit_page)
            UNION ALL SELECT o.id, o.attributes FROM (SELECT unnest(included) AS o FROM lead_page))""",
}


def fetch(plan: dict[str, Any], folder: Path) -> None:
    """One line a page: the days that were asked for, and the page."""
    place = urlsplit(plan["url"])
    connection = HTTPConnection(place.netloc)
    with (folder / "visits.jsonl").open("wb") as visits, (folder / "leads.jsonl").open("wb") as leads:
        for path in plan["paths"]:
            connection.request("GET", place.path + path, headers=plan["headers"])
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}")
            bare, _, query = path.partition("?")
            kind = bare.rsplit("/", 1)[1]
            sink = {"visits": visits, "leads": leads}.get(kind)
            if sink is not None:
                account, day = bare.split("/")[2], query.partition("start_date=")[2][:10]
                sink.write(f'{{"account_id":"{account}","day":"{day}","page":'.encode() + body + b"}\n")


def build(folder: Path, database: str) -> duckdb.DuckDBPyConnection:
    """The five tables, from the pages on disk."""
    connection = duckdb.connect(database)
    connection.execute("CREATE SCHEMA leadfeeder_legacy")
    for kind, objects in (("visit", VISITS), ("lead", LEADS)):
        page = f"STRUCT(data {objects}, included {INCLUDED})"
        columns = {"account_id": "VARCHAR", "day": "DATE", "page": " ".join(page.split())}
        pages = f"""
            read_json('{folder / f"{kind}s.jsonl"}', format='newline_delimited', maximum_object_size=1048576,
                      columns={columns})"""
        read = f"SELECT account_id, day, page.included AS included, page.data AS data FROM {pages}"  # noqa: S608
        connection.execute(f"CREATE TEMP TABLE {kind}_page AS {read}")
        connection.execute(
            f"CREATE TEMP TABLE {kind} AS SELECT account_id, day, unnest(data) AS o FROM {kind}_page"  # noqa: S608
        )
    for name, select in TABLES.items():
        star = "* EXCLUDE (visit_route)" if name == "visits" else "*"
        connection.execute(f"CREATE TABLE leadfeeder_legacy.{name} AS SELECT {star} FROM ({select})")  # noqa: S608
    return connection


def copy(connection: duckdb.DuckDBPyConnection, folder: Path, dsn: str) -> None:
    """The tables into PostgreSQL, through COPY."""
    import psycopg2  # type: ignore[import-untyped, unused-ignore]

    target = psycopg2.connect(dsn)
    cursor = target.cursor()
    cursor.execute("CREATE SCHEMA leadfeeder_legacy")
    for name in TABLES:
        table, file = f"leadfeeder_legacy.{name}", folder / f"{name}.csv"
        described = connection.execute(f"DESCRIBE {table}").fetchall()
        # ranges of employees are the only structs left
        columns = ", ".join(
            f'"{column}" {"text" if kind.startswith(("VARCHAR", "STRUCT")) else kind}' for column, kind, *_ in described
        )
        connection.execute(f"COPY {table} TO '{file}' (FORMAT csv, HEADER false)")
        cursor.execute(f"CREATE TABLE {table} ({columns})")
        with file.open("rb") as rows:
            cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT csv)", rows)
    target.commit()
    target.close()


def main() -> None:
    plan, target = sys.argv[1:]
    folder = Path.cwd()
    fetch(json.loads(Path(plan).read_text()), folder)
    if target.startswith("postgresql://"):
        copy(build(folder, ":memory:"), folder, target)
    else:
        build(folder, target).close()


if __name__ == "__main__":
    main()
