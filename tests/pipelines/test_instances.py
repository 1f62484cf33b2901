"""DuckDB files that are opened and closed often: one instance does it, and nobody notices."""

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from unittest.mock import Mock

import duckdb
import pytest

from pipelines import instances
from pipelines.warehouse import Warehouse, WarehouseError
from tests.conftest import FakeClock


def at(path: Path, clock: FakeClock, **options: bool) -> Warehouse:
    return Warehouse("duckdb", clock=clock, path=path, max_wait=timedelta(0), **options)


def another_process_can_write(path: Path) -> bool:
    code = f"import duckdb; duckdb.connect({str(path)!r}).execute('CREATE OR REPLACE TABLE t (n INT)')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0


def test_one_instance_is_made_for_many_openings(house: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "_spare", [])
    connect = Mock(wraps=duckdb.connect)
    monkeypatch.setattr(duckdb, "connect", connect)
    for name in ("one", "two"):
        for _ in range(5):
            warehouse = at(house / f"{name}.duckdb", clock)
            with warehouse.open():
                # dlt opens it beside
                with warehouse.connect() as client:
                    client.execute_sql("CREATE TABLE IF NOT EXISTS t (n INT)")
                assert warehouse.query("SELECT count(*) FROM t") == [(0,)]
    connect.assert_called_once_with(":memory:")


def test_the_file_is_free_as_soon_as_it_is_closed(house: Path, clock: FakeClock) -> None:
    path = house / "leadhouse.duckdb"
    warehouse = at(path, clock)
    with warehouse.open():
        warehouse.query("SELECT 1")
        assert not another_process_can_write(path)
    assert another_process_can_write(path)
    # what was not in the file yet is
    assert [file.name for file in house.iterdir() if file.suffix != ".lock"] == [path.name]


@pytest.mark.parametrize("name", ["plain.duckdb", "two.dots.duckdb", 'it\'s "it".duckdb', "memory.duckdb", "temp.db"])
def test_it_has_the_name_that_duckdb_gives_it(name: str, house: Path, clock: FakeClock) -> None:
    with at(house / name, clock).open() as client:
        client.execute_sql("CREATE SCHEMA s")
        client.execute_sql("CREATE TABLE s.t AS SELECT 1 AS n")
        client.execute_sql("CREATE VIEW s.v AS SELECT n FROM s.t")
        given = client.execute_sql("SELECT current_database()")
    with closing(duckdb.connect(str(house / name))) as connection:
        assert connection.execute("SELECT current_database()").fetchall() == given
        assert connection.execute("FROM s.v").fetchall() == [(1,)]


def test_a_file_that_this_process_has_open_is_opened_with_it(house: Path, clock: FakeClock) -> None:
    path = house / "leadhouse.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        with at(path, clock).open() as client:
            client.execute_sql("CREATE TABLE t (n INT)")
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    assert another_process_can_write(path)


def test_others_in_this_process_may_have_it_if_it_is_shared(house: Path, clock: FakeClock) -> None:
    path = house / "leadhouse.duckdb"
    with at(path, clock).open() as _, pytest.raises(duckdb.Error, match="already attached"):
        duckdb.connect(str(path))
    with at(path, clock).open(shared=True) as client, closing(duckdb.connect(str(path))) as connection:
        client.execute_sql("CREATE TABLE t (n INT)")
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_an_instance_spills_beside_its_own_file_only(
    house: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "_spare", [])
    sort = "SELECT count(*) FROM (SELECT DISTINCT n, random() FROM range(3000000) AS t (n))"
    for name in ("one", "one", "two"):
        path = house / f"{name}.duckdb"
        with at(path, clock).open() as client:
            assert client.execute_sql(sort) == [(3_000_000,)]
            assert client.execute_sql("SELECT current_setting('temp_directory')") == [(f"{path}.tmp",)]


def test_whoever_only_reads_writes_nothing_and_settings_are_those_of_the_file(house: Path, clock: FakeClock) -> None:
    path = house / "leadhouse.duckdb"
    ask = "SELECT current_setting('memory_limit'), current_setting('TimeZone')"
    with at(path, clock).open() as client:
        client.execute_sql("CREATE TABLE t (n INT)")
    with at(path, clock, read_only=True).open() as client, pytest.raises(Exception, match="read-only"):
        client.execute_sql("INSERT INTO t VALUES (1)")
    warehouse = at(path, clock)
    with warehouse.open():
        assert warehouse.query(ask) == [("61.0 MiB", "UTC")]
        assert warehouse.allow_more_memory(duckdb.Error("Out of Memory"))
        assert warehouse.query(ask) == [("122.0 MiB", "UTC")]
    assert warehouse.query(ask) == [("122.0 MiB", "UTC")]
    assert at(path, clock).query(ask) == [("61.0 MiB", "UTC")]
    path.unlink()
    path.mkdir()
    spare = list(instances._spare)
    with pytest.raises(WarehouseError, match="cannot be opened"):
        at(path, clock).query(ask)
    # the instance is none the worse for it
    assert instances._spare == spare
    path.rmdir()
    assert at(path, clock).query("SELECT 1") == [(1,)]


def test_nothing_that_was_spilled_stays_after_a_command(house: Path) -> None:
    code = """
        import sys
        from datetime import timedelta
        from pathlib import Path
        from pipelines import cli
        from pipelines.warehouse import Warehouse
        from sources.clock import Clock

        warehouse = Warehouse("duckdb", clock=Clock(), path=Path(sys.argv[1]), max_wait=timedelta(0))
        with warehouse.open() as client:
            client.execute_sql("SET GLOBAL memory_limit = '30MB'")
            client.execute_sql("CREATE TEMP TABLE t AS SELECT hash(i) AS n, hash(-i) AS m FROM range(5000000) AS r(i)")
            assert Path(sys.argv[1] + ".tmp").is_dir()
        sys.argv[1:] = ["no-such-command"]
        cli.main()
    """
    path = house / "leadhouse.duckdb"
    done = subprocess.run([sys.executable, "-c", dedent(code), str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert [file.name for file in house.iterdir() if file.suffix != ".lock"] == [path.name]
