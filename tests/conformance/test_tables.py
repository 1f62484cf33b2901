"""What holds for every table of every vendor, in every destination. Nothing in here knows a vendor."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.vendors import VENDORS
from sandbox import World
from sources.tables import Table
from sources.windows import Days
from tests.conformance.conftest import START, TODAY, House, Loaded, Open
from tests.conftest import FakeClock
from tests.reading import Rows, streams_of, tables_of

SCHEMAS = Path(__file__).parent / "schemas"
REWRITE = "LEADHOUSE_WRITE_SCHEMAS"
TYPES = {
    "duckdb": {
        "VARCHAR": "text",
        "BIGINT": "bigint",
        "BOOLEAN": "bool",
        "DECIMAL(38,9)": "decimal",
        "DATE": "date",
        "TIMESTAMP WITH TIME ZONE": "timestamp",
        "JSON": "json",
    },
    "postgres": {
        "character varying": "text",
        "bigint": "bigint",
        "boolean": "bool",
        "numeric(38,9)": "decimal",
        "date": "date",
        "timestamp with time zone": "timestamp",
        "jsonb": "json",
    },
}


def types_of(house: House) -> dict[str, dict[str, str]]:
    """Table → column → logical type; a key column says so."""
    precise = "numeric_precision || ',' || numeric_scale"
    columns = house.query(
        f"SELECT table_name, column_name, CASE data_type WHEN 'numeric' THEN 'numeric(' || {precise} || ')' "
        "ELSE data_type END, is_nullable FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name NOT LIKE '!_dlt%%' ESCAPE '!' ORDER BY 1, 2",
        house.vendor,
    )
    found: dict[str, dict[str, str]] = {}
    for table, column, kind, nullable in columns:
        logical = TYPES[house.destination].get(kind, kind)
        found.setdefault(table, {})[column] = logical if nullable == "YES" else f"{logical} not null"
    return found


def declared(table: Table) -> dict[str, str]:
    """The columns that a table has in any case."""
    return {
        column.name: ("text" if column.type == "id" else column.type)
        + (" not null" if column.name in table.key else "")
        for column in table.columns
    }


def keys(rows: Rows, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def test_every_stream_brings_rows(loaded: Loaded) -> None:
    # whatever else is asserted of tables would be true of empty ones as well
    assert [s.name for s in streams_of(loaded.house.vendor) if not loaded.tables[s.tables[0].name]] == []


def test_keys_are_unique_and_not_null(loaded: Loaded) -> None:
    for table in tables_of(loaded.house.vendor):
        found = keys(loaded.tables[table.name], table.key)
        assert len(set(found)) == len(found), table.name
        assert [key for key in found if None in key or "" in key] == [], table.name


def test_markers_stay_outside(loaded: Loaded) -> None:
    for table in tables_of(loaded.house.vendor):
        guarded = loaded.house.query(f"SELECT count(*) FROM {loaded.house.vendor}.{table.name} WHERE {table.guard}")
        assert guarded == [(len(loaded.tables[table.name]),)], table.name


def test_children_have_parents(loaded: Loaded) -> None:
    tables = {table.name: table for table in tables_of(loaded.house.vendor)}
    for table in tables.values():
        if table.owner:
            parents = set(keys(loaded.tables[table.owner], tables[table.owner].key))
            assert set(keys(loaded.tables[table.name], table.scope)) <= parents, table.name


def test_references_lead_somewhere(loaded: Loaded) -> None:
    """A column that is about `→ table.column` holds nothing that is not there, within the account."""
    tables = {table.name: table for table in tables_of(loaded.house.vendor)}
    for table in tables.values():
        for column in table.columns:
            if not column.about.startswith("→ "):
                continue
            target, _, name = column.about.removeprefix("→ ").rstrip(".").partition(".")
            if target not in tables or "," in name:
                # a table of a stream that is off, or, as the words after the comma say, rows that may be gone
                continue
            shared = {"account_id"} & {c.name for c in table.columns} & {c.name for c in tables[target].columns}
            known = set(keys(loaded.tables[target], (*shared, name)))
            referring = [row for row in loaded.tables[table.name] if row[column.name] is not None]
            assert set(keys(referring, (*shared, column.name))) <= known, f"{table.name}.{column.name}"


def test_positions_count_from_zero(loaded: Loaded) -> None:
    for table in tables_of(loaded.house.vendor):
        if table.key[-1] != "position":
            continue
        counted: dict[tuple[Any, ...], list[int]] = {}
        for *parent, position in keys(loaded.tables[table.name], table.key):
            counted.setdefault(tuple(parent), []).append(position)
        assert all(sorted(found) == list(range(len(found))) for found in counted.values()), table.name


def test_schema_is_the_golden_one(loaded: Loaded) -> None:
    found = types_of(loaded.house)
    golden = SCHEMAS / f"{loaded.house.vendor}.json"
    if os.environ.get(REWRITE):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(golden.read_text()), f"run the tests with {REWRITE}=1 where this is meant"


def test_columns_are_the_vendors(loaded: Loaded) -> None:
    for table, columns in types_of(loaded.house).items():
        # dlt's own columns, and the second column that it makes of a type that wobbles
        assert [name for name in columns if name.startswith("_dlt") or "__v_" in name] == [], table


def test_runs_are_recorded(loaded: Loaded) -> None:
    house = loaded.house
    accounts = {row["id"] for row in loaded.tables.get("accounts", [])}
    streams = {stream.name: stream for stream in streams_of(house.vendor)}
    alone = {(None, s.name) for s in streams.values() if s.by in ("vendor", "walk")}
    by_account = {(a, s.name) for s in streams.values() if (None, s.name) not in alone for a in accounts}
    names = (
        "account_id, stream, started_at, finished_at, status, window_start, window_end, rows, requests, retries, "
        "seconds_waited, error"
    )
    rows = house.query(
        f"SELECT {names} FROM ops.runs WHERE run_id = %s AND vendor = %s", loaded.summary.run_id, house.vendor
    )
    runs = [dict(zip(names.split(", "), row, strict=True)) for row in rows]
    assert sorted(map(str, by_account | alone)) == sorted(str((run["account_id"], run["stream"])) for run in runs)
    assert sum(run["requests"] for run in runs) == loaded.requests
    for run in runs:
        stream = streams[run["stream"]]
        assert run["status"] == "ok", run
        assert run["error"] is None, run
        assert loaded.summary.started_at <= run["started_at"] <= run["finished_at"], run
        assert min(run["rows"], run["requests"], run["retries"], run["seconds_waited"]) >= 0, run
        if stream.by in ("days", "day"):
            assert run["window_start"] == START, run
            # the account's day may be a neighbour of UTC's
            assert abs(run["window_end"] - TODAY) <= timedelta(days=1), run
        elif stream.by in ("vendor", "account", "walk"):
            assert (run["window_start"], run["window_end"]) == (None, None), run
        table = stream.tables[0]
        found = [r for r in loaded.tables[table.name] if run["account_id"] in (None, r.get("account_id"))]
        assert run["rows"] == len(found) if table.scope else run["rows"] >= len(found), run
    assert house.query("SELECT count(*) FROM ops.incomplete_days WHERE vendor = %s", house.vendor) == [(0,)]


def test_second_run_changes_nothing(loaded: Loaded) -> None:
    loaded.house.sync()
    found = loaded.house.tables()
    for name, rows in loaded.tables.items():
        assert found[name] == rows, name


def assert_every_table(house: House) -> None:
    found = types_of(house)
    for table in tables_of(house.vendor):
        assert declared(table).items() <= found[table.name].items(), table.name


def test_empty_vendor_has_every_table(open_house: Open) -> None:
    clock = FakeClock()
    house, _ = open_house(World(days=6, accounts=1, visits_per_day=0, clock=clock.epoch))
    house.sync()
    assert_every_table(house)
    found = types_of(house)
    # and what comes later fits
    house.sync()
    assert types_of(house) == found


@pytest.mark.parametrize("place", ["duckdb"], indirect=True, scope="module")
def test_vendor_without_accounts_has_every_table(open_house: Open) -> None:
    clock = FakeClock()
    house, _ = open_house(World(days=6, accounts=0, visits_per_day=0, clock=clock.epoch))
    house.sync()
    assert_every_table(house)


def date_of_scope(table: Table) -> str | None:
    """The column that says which days a table's rows are replaced by, if there is one."""
    return next((column.name for column in table.columns if column.name in table.scope and column.type == "date"), None)


DATED = [vendor for vendor in sorted(VENDORS) if any(map(date_of_scope, tables_of(vendor)))]


@pytest.mark.parametrize("vendor", DATED, indirect=True, scope="module")
def test_backfill_honours_its_window(open_house: Open) -> None:
    clock = FakeClock()
    house, sandbox = open_house(World(days=6, accounts=1, visits_per_day=8, clock=clock.epoch))
    days = Days(TODAY - timedelta(days=3), TODAY - timedelta(days=2))
    dated = {table.name: column for table in tables_of(house.vendor) if (column := date_of_scope(table))}
    # a calendar window is named by its first day
    asked = {*days, *(day.replace(day=1) for day in days)}

    house.sync(days=days)
    landed = house.tables()
    for name, column in dated.items():
        assert {row[column] for row in landed[name]} <= asked, name

    house.sync()
    before = house.tables()
    for account in sandbox.world.accounts:
        for ago in range(5):
            sandbox.world.add_visits(account, TODAY - timedelta(days=ago), 2)
    house.sync(days=days)
    after = house.tables()
    for name, column in dated.items():
        outside = [[r for r in rows if r[column] not in asked] for rows in (before[name], after[name])]
        assert outside[0] == outside[1], name
    assert any(before[name] != after[name] for name in dated)
