"""A lake: its Delta tables, read by another engine (DataFusion), hold what a DuckDB warehouse of these runs holds."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from pipelines import lake as rooms
from pipelines.check import check
from pipelines.destination import Bucket, resolve
from pipelines.ledger import WarehouseLedger
from pipelines.reading import Reader
from pipelines.status import status
from pipelines.sync import Summary, sync
from pipelines.transform import Transformed, _Dbt, transform
from pipelines.warehouse import OPS, Warehouse, WarehouseError
from sandbox import Sandbox, World
from sources.errors import SettingError
from sources.leadfeeder_legacy.tables import EXPORT_REQUESTS
from tests.conftest import FakeClock
from tests.docs.pages import unlimited

VENDOR = "leadfeeder_legacy"
URL = "DESTINATION__FILESYSTEM__BUCKET_URL"
# a run on this day reads February, and one two days later does not
NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
START = date(2026, 2, 24)

Rows = list[dict[str, Any]]


class Killed(BaseException):
    """What nobody catches."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def folder(house: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the lake is."""
    monkeypatch.setenv(URL, str(house / "lake"))
    return house / "lake"


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path, clock: FakeClock
) -> Callable[[str], Warehouse]:
    """The lake as a command on one of several machines has it."""

    def on(name: str) -> Warehouse:
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / name))
        return Warehouse("filesystem", clock=clock)

    return on


def in_order(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def read(folder: Path, table: str) -> Rows:
    """The rows of a Delta table as DataFusion reads them."""
    delta = DeltaTable(folder / table.replace(".", "/"))
    found = QueryBuilder().register("it", delta).execute("SELECT * FROM it")
    rows = pa.RecordBatchReader.from_stream(found).read_all()
    return in_order(rows.select([name for name in rows.column_names if name != rooms.MONTH]).to_pylist())


def tables(warehouse: Warehouse) -> list[str]:
    found = warehouse.query(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE NOT ends_with(schema_name, '_staging')"
    )
    return [name for (name,) in found]


def rows_of(warehouse: Warehouse, table: str) -> Rows:
    return in_order(warehouse.records(f"SELECT * FROM {table}"))


def assert_mirrors(folder: Path, warehouse: Warehouse) -> None:
    """Every table of the DuckDB file is in the lake, with every value."""
    published = {str(log.parent.relative_to(folder)).replace("/", ".") for log in folder.glob("*/*/_delta_log")}
    assert published == {*tables(warehouse), rooms.CATALOG.replace("/", ".")}
    for table in tables(warehouse):
        assert read(folder, table) == rows_of(warehouse, table), table


def own(rows: Rows) -> Rows:
    """The rows without what is another in each run."""
    return in_order(
        [{name: value for name, value in row.items() if not name.startswith(("_dlt", "run_id"))} for row in rows]
    )


def files(folder: Path, table: str, month: str) -> set[str]:
    uris = DeltaTable(folder / table.replace(".", "/")).file_uris()
    return {uri for uri in uris if f"{rooms.MONTH}={month}" in uri}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Callable[..., Summary]:
    """One sync of the token API, in which no time passes."""
    for name, value in unlimited().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", START.isoformat())
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", "[]")

    def start(warehouse: Warehouse, expect: int = 0) -> Summary:
        summary = sync(warehouse, vendors=[VENDOR], clock=clock)
        assert summary.exit_code == expect, summary.as_dict()
        return summary

    return start


def test_it_holds_what_duckdb_holds(
    folder: Path,
    machine: Callable[[str], Warehouse],
    serve: Callable[..., Sandbox],
    clock: FakeClock,
    run: Callable[..., Summary],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(days=9, accounts=1, visits_per_day=15, clock=clock.epoch)
    serve(world, limits=False)
    plain = Warehouse("duckdb", clock=clock)

    def assert_like_plain() -> None:
        for table in (t for t in tables(plain) if "._dlt" not in t):
            assert own(read(folder, table)) == own(rows_of(plain, table)), table

    def february() -> dict[str, set[str]]:
        return {
            table: files(folder, f"{VENDOR}.{table}", "2026-02") for table in ("visits", "visit_pages", "lead_days")
        }

    first_load = run(machine("one")).as_dict()["requests"]
    run(plain)
    assert_mirrors(folder, machine("one"))
    assert_like_plain()
    before = february()
    assert all(before.values())

    # time passes: late visits come in, vanished ones go
    clock.move(timedelta(days=2))
    [account] = world.accounts
    world.add_visits(account, date(2026, 3, 4), 5)
    world.remove_visits(account, date(2026, 3, 3), 3)
    visits = len(read(folder, f"{VENDOR}.visits"))
    # the machine is lost in the middle of the second publication: what it has written is no publication
    write, written = rooms.Lake._write, []

    def killed(lake: rooms.Lake, name: str, *args: Any, **how: Any) -> DeltaTable:
        if f"{VENDOR}.visits" in written:
            raise Killed
        written.append(name)
        return write(lake, name, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(rooms.Lake, "_write", killed)
        with pytest.raises(Killed):
            run(machine("one"))
    assert len(read(folder, f"{VENDOR}.visits")) != visits

    # another machine knows what was published whole, and where to go on
    other = machine("other")
    assert len(rows_of(other, f"{VENDOR}.visits")) == visits
    assert {line.loaded_until for line in status(other, clock.now()) if line.stream == "visits"} == {NOW.date()}
    summary = run(other).as_dict()
    run(plain)
    assert summary["requests"] < first_load
    assert_mirrors(folder, other)
    assert_like_plain()

    # a third load without news of visits: neither month's rows are written again
    march = {table: files(folder, f"{VENDOR}.{table}", "2026-03") for table in before}
    untouched = february()
    run(machine("other"))
    assert {table: files(folder, f"{VENDOR}.{table}", "2026-03") for table in before} == march
    assert february() == untouched


def fill(warehouse: Warehouse, *statements: str, name: str = "marts") -> None:
    """What a model or a load might do, and its publication."""
    with warehouse.open() as client:
        for statement in ("CREATE SCHEMA IF NOT EXISTS marts", *statements):
            client.execute_sql(statement)
    warehouse.publish(name, tidy=True)


TYPES = """
    CREATE TABLE marts.types (id BIGINT NOT NULL, day DATE, since TIMESTAMP WITH TIME ZONE, money DECIMAL(38, 9),
    doc JSON, large HUGEINT, hash UBIGINT, flag BOOLEAN, share DOUBLE, tags VARCHAR[],
    "odd ""name" VARCHAR, small SMALLINT)
"""
VALUES = """
    INSERT INTO marts.types VALUES
    (1, '2026-01-31', '2026-01-31 23:59:59.999999+00', 12345678901234567890123456789.123456789,
     '{"a": [1, "ä"]}',
     99999999999999999999999999999999999999, 18446744073709551615, true, 0.1, ['a', 'b, c', NULL], 'ü''"', -7),
    (2, '2026-02-01', NULL, -0.000000001, 'null', -1, 0, false, 'infinity', [], '', 7),
    (3, NULL, '1969-12-31 23:59:59+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""


def test_every_type_comes_back(folder: Path, machine: Callable[[str], Warehouse]) -> None:
    first = machine("one")
    fill(
        first, TYPES, VALUES, "CREATE TABLE marts.empty (day DATE, n BIGINT)", "CREATE VIEW marts.seen AS SELECT 1 AS n"
    )
    found = read(folder, "marts.types")
    assert [row["doc"] for row in found] == ['{"a": [1, "ä"]}', "null", None]
    assert found[0]["since"] == datetime(2026, 1, 31, 23, 59, 59, 999999, UTC)
    assert found[0]["large"] == 10**38 - 1
    assert [len(files(folder, "marts.types", month)) for month in ("2026-01", "2026-02", "__HIVE")] == [1, 1, 1]
    # a month changes, and one goes; a column is added; a table goes
    january = files(folder, "marts.types", "2026-01")
    fill(first, "UPDATE marts.types SET flag = true WHERE id = 2", "DELETE FROM marts.types WHERE day IS NULL")
    assert [row["flag"] for row in read(folder, "marts.types")] == [True, True]
    assert files(folder, "marts.types", "2026-01") == january
    version = DeltaTable(folder / "marts/types").version()
    fill(first, "CREATE OR REPLACE TABLE marts.again AS FROM marts.types", "CREATE TABLE marts.gone AS SELECT 1 AS n")
    assert DeltaTable(folder / "marts/types").version() == version
    fill(
        first,
        "ALTER TABLE marts.types ADD COLUMN later JSON",
        "DROP TABLE marts.gone",
        "INSERT INTO marts.empty VALUES (NULL, 1)",
    )
    assert [row["later"] for row in read(folder, "marts.types")] == [None, None]
    assert read(folder, "marts.gone") == []

    definitions = "SELECT sql FROM duckdb_tables() ORDER BY sql"
    other = machine("other")
    assert other.query(definitions) == first.query(definitions)
    for table in ("types", "again", "empty"):
        rows = f"SELECT count(*), sum(hash(r)) FROM marts.{table} AS r"
        assert other.query(rows) == first.query(rows)
    assert not other.query("FROM marts.seen")
    # and is not written again
    fill(other)
    assert DeltaTable(folder / "marts/types").version() == version + 1
    # a lake that is emptied is begun anew
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert tables(machine("other")) == []


def test_killed_between_two_tables(
    folder: Path, machine: Callable[[str], Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine("one")
    fill(
        one,
        *(
            f"CREATE TABLE marts.{name} AS SELECT DATE '2026-01-01' + n::INT AS day FROM range(60) r(n)"
            for name in "ab"
        ),
    )
    write = rooms.Lake._write

    def killed(lake: rooms.Lake, name: str, *args: Any, **how: Any) -> DeltaTable:
        if name == "marts.b":
            raise Killed
        return write(lake, name, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(rooms.Lake, "_write", killed)
        with pytest.raises(Killed):
            fill(one, "DELETE FROM marts.a WHERE day < '2026-02-01'", "DELETE FROM marts.b WHERE day < '2026-02-01'")
    assert [len(read(folder, f"marts.{name}")) for name in "ab"] == [29, 60]
    # who comes from elsewhere has what was published whole; the table that was ahead is put right
    other = machine("other")
    assert [len(rows_of(other, f"marts.{name}")) for name in "ab"] == [60, 60]
    fill(other)
    assert [len(read(folder, f"marts.{name}")) for name in "ab"] == [60, 60]
    # the machine itself goes on from there, too
    fill(machine("one"), "DELETE FROM marts.b WHERE day < '2026-02-01'")
    assert [len(read(folder, f"marts.{name}")) for name in "ab"] == [60, 29]
    # and alone, from where it was
    with monkeypatch.context() as patch:
        patch.setattr(rooms.Lake, "_write", killed)
        with pytest.raises(Killed):
            fill(machine("one"), "DELETE FROM marts.a", "DELETE FROM marts.b")
    fill(machine("one"))
    assert [read(folder, f"marts.{name}") for name in "ab"] == [[], []]


def test_what_nobody_needs_is_deleted(folder: Path, machine: Callable[[str], Warehouse]) -> None:
    """By default after a week; here at once."""

    def parquet() -> set[Path]:
        return {path for path in (folder / "marts/a").rglob("*.parquet") if path.parent.name != "_delta_log"}

    def needed() -> set[Path]:
        return {Path(uri) for uri in DeltaTable(folder / "marts/a").file_uris()}

    one = machine("one")
    fill(one, "CREATE TABLE marts.a AS SELECT DATE '2026-01-01' + n::INT AS day FROM range(60) r(n)")
    fill(one, "DELETE FROM marts.a WHERE day = '2026-01-01'")
    assert parquet() > needed()
    DeltaTable(folder / "marts/a").alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
    )
    fill(one, "DELETE FROM marts.a WHERE day = '2026-01-02'")
    assert parquet() == needed()
    # that was a version of the table, too
    january = files(folder, "marts.a", "2026-01")
    fill(one, "DELETE FROM marts.a WHERE day = '2026-02-01'")
    assert files(folder, "marts.a", "2026-01") == january
    assert parquet() == needed()
    assert rows_of(machine("other"), "marts.a") == rows_of(one, "marts.a") == read(folder, "marts.a")


def test_somebody_else_publishes(
    folder: Path, machine: Callable[[str], Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine("one")
    fill(one, "CREATE TABLE marts.a AS SELECT 1 AS n")
    other = machine("other")
    fill(other, "INSERT INTO marts.a VALUES (2)")
    with pytest.raises(WarehouseError, match="published to by somebody else since this run began; run again"):
        fill(one, "INSERT INTO marts.a VALUES (3)")
    assert read(folder, "marts.a") == [{"n": 1}, {"n": 2}]
    # its next command begins with the lake, also where it had been killed before
    assert one.place.path
    wal = one.place.path.with_name("lake.duckdb.wal")
    with closing(duckdb.connect(str(one.place.path))) as connection:
        connection.execute("INSERT INTO marts.a VALUES (0)")
        not_taken_in = wal.read_bytes()
    wal.write_bytes(not_taken_in)
    again = machine("one")
    fill(again, "INSERT INTO marts.a VALUES (4)")
    assert read(folder, "marts.a") == [{"n": 1}, {"n": 2}, {"n": 4}]
    # at the same moment: one of them is told
    late, mirror = machine("other"), rooms.Lake._mirror
    assert late.exists

    def overtaken(*args: Any) -> Any:
        monkeypatch.setattr(rooms.Lake, "_mirror", mirror)
        fill(again, "INSERT INTO marts.a VALUES (5)")
        return mirror(*args)

    monkeypatch.setattr(rooms.Lake, "_mirror", overtaken)
    with pytest.raises(WarehouseError, match="published to by somebody else"):
        fill(late, "CREATE TABLE marts.b AS SELECT 6 AS n")
    assert tables(machine("other")) == ["marts.a"]
    assert rows_of(machine("other"), "marts.a") == [{"n": 1}, {"n": 2}, {"n": 4}, {"n": 5}]


def test_what_writes_publishes(
    folder: Path, machine: Callable[[str], Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of the ledger is in the lake when `put` returns; models are when they are built; `check` writes."""
    one = machine("one")
    WarehouseLedger(one, VENDOR).make([EXPORT_REQUESTS])
    row = {column.name: None for column in EXPORT_REQUESTS.columns} | {"id": "7", "status": "pending"}
    WarehouseLedger(one, VENDOR).put(EXPORT_REQUESTS, row)
    assert [found["id"] for found in read(folder, f"{VENDOR}.export_requests")] == ["7"]
    assert WarehouseLedger(machine("other"), VENDOR).rows(EXPORT_REQUESTS) == [row]
    WarehouseLedger(one, VENDOR).remove(EXPORT_REQUESTS, row)
    assert read(folder, f"{VENDOR}.export_requests") == []

    def build(dbt: _Dbt, full_refresh: bool) -> Transformed:
        with dbt._warehouse.open() as client:
            client.execute_sql("CREATE SCHEMA marts")
            client.execute_sql("CREATE TABLE marts.pages AS SELECT 1 AS n")
        return Transformed()

    monkeypatch.setattr(_Dbt, "build", build)
    assert transform(one).exit_code == 0
    assert read(folder, "marts.pages") == [{"n": 1}]
    machine("notebook")
    assert Reader("filesystem").row("SELECT n FROM marts.pages") == {"n": 1}

    def checked() -> tuple[bool | None, str]:
        *_, finding = check("filesystem", FakeClock())
        return finding.ok, finding.says

    before = DeltaTable(folder / rooms.CATALOG).version()
    assert checked() == (True, f"filesystem file://{folder} can be written")
    assert DeltaTable(folder / rooms.CATALOG).version() == before + 1
    # where something else is in the way
    monkeypatch.setenv(URL, str(folder / "other"))
    (folder / "other").mkdir()
    (folder / "other" / OPS).touch()
    ok, says = checked()
    assert not ok
    assert "check destination.filesystem.bucket_url" in says


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "destination.filesystem.bucket_url is not set; give it a folder"),
        ("no/where", "/no does not exist; make it first"),
        ("file", "is no folder; name another"),
        ("sftp://me:secret-word@example.com/lake", "where no Delta tables can be kept"),
        ("s3://bucket/lake", "destination.filesystem.credentials for s3://bucket/lake cannot be used"),
    ],
)
def test_wrong_settings(house: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str) -> None:
    (house / "file").touch()
    monkeypatch.setenv(URL, url)
    with pytest.raises(SettingError) as error:
        resolve("filesystem")
    assert words in str(error.value)
    assert "secret-word" not in str(error.value)


def test_secrets_of_a_storage(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """They are dlt's settings, reach the storage, and are nowhere to be read."""
    monkeypatch.setenv(URL, "s3://bucket/lake")
    credentials = {"AWS_ACCESS_KEY_ID": "hidden-id", "AWS_SECRET_ACCESS_KEY": "hidden-word"}
    for name, value in (credentials | {"ENDPOINT_URL": "http://127.0.0.1:9"}).items():
        monkeypatch.setenv(f"DESTINATION__FILESYSTEM__CREDENTIALS__{name}", value)
    monkeypatch.setenv("DESTINATION__FILESYSTEM__DELTALAKE_STORAGE_OPTIONS", '{"max_retries": "0"}')
    warehouse = Warehouse("filesystem", clock=clock)
    assert warehouse.place.lake == Bucket(
        "s3://bucket/lake",
        {name.lower(): value for name, value in credentials.items()}
        | {"endpoint_url": "http://127.0.0.1:9", "aws_allow_http": "true", "max_retries": "0"},
    )
    assert "hidden" not in f"{warehouse.place}"
    with pytest.raises(WarehouseError, match=r"s3://bucket/lake: .*Connection refused") as refused:
        warehouse.query("SELECT 1")
    assert "hidden" not in str(refused.value)

    def refuse(*args: Any, **how: Any) -> None:
        raise OSError(
            "GET https://example.com/lake?sig=hidden-word\n  \x1b[31m↳\x1b[0m refused: hidden-word of hidden-id"
        )

    monkeypatch.setattr(rooms, "DeltaTable", refuse)
    with pytest.raises(WarehouseError, match=r": GET https://example.com/lake refused: \*\*\* of \*\*\*; check dest"):
        warehouse.query("SELECT 1")
