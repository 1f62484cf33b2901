"""PostgreSQL's connections that are kept for the next who opens one, and nobody notices."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from unittest.mock import Mock

import psycopg2
import pytest
from adbc_driver_manager import dbapi
from dlt.destinations.sql_client import SqlClientBase

from pipelines.sync import sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from tests.conftest import FakeClock
from tests.reading import rows_of

OTHERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def warehouse(postgres: str, clock: FakeClock) -> Warehouse:
    return Warehouse("postgres", clock=clock)


@pytest.fixture
def watcher(postgres: str) -> Iterator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(postgres)) as connection:
        connection.autocommit = True
        yield connection


def sessions(watcher: psycopg2.extensions.connection) -> set[int]:
    with watcher.cursor() as cursor:
        cursor.execute(OTHERS)
        return {pid for (pid,) in cursor}


def all_end(watcher: psycopg2.extensions.connection) -> bool:
    """Whether there is no session any more; the server takes a moment for it."""
    deadline = time.monotonic() + 10
    while sessions(watcher) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not sessions(watcher)


def mine(warehouse: Warehouse) -> int:
    with warehouse.connect() as client:
        [(pid,)] = client.execute_sql("SELECT pg_backend_pid()") or []
        return int(pid)


def test_a_session_is_kept_while_the_warehouse_is_open(
    warehouse: Warehouse, watcher: psycopg2.extensions.connection
) -> None:
    with warehouse.open():
        assert len({mine(warehouse) for _ in range(5)}) == 1
        assert len(sessions(watcher)) == 2
    assert all_end(watcher)
    first, second = mine(warehouse), mine(warehouse)
    assert first != second


def test_the_next_finds_nothing_of_the_last(warehouse: Warehouse) -> None:
    with warehouse.open():
        with warehouse.connect() as client:
            client.execute_sql("CREATE TEMPORARY TABLE t (n INT)")
            client.execute_sql("SET TimeZone = 'Asia/Tokyo'")
            client.execute_sql("SELECT pg_advisory_lock(1)")
            path = client.execute_sql("SHOW search_path")
            [(last,)] = client.execute_sql("SELECT pg_backend_pid()") or []
        with warehouse.connect() as client:
            assert client.execute_sql("SELECT pg_backend_pid()") == [(last,)]
            assert client.execute_sql("SELECT to_regclass('t')") == [(None,)]
            assert client.execute_sql("SHOW TimeZone") != [("Asia/Tokyo",)]
            assert client.execute_sql("SHOW search_path") == path
            assert client.execute_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_a_session_that_the_server_has_ended_is_not_handed_out(
    warehouse: Warehouse, watcher: psycopg2.extensions.connection
) -> None:
    with warehouse.open():
        ended = mine(warehouse)
        watcher.cursor().execute("SELECT pg_terminate_backend(%s)", (ended,))
        assert mine(warehouse) != ended


def test_a_session_that_says_nothing_for_hours_is_kept_alive(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> dict[str, str]:
        with Warehouse("postgres", clock=FakeClock()).connect() as client:
            return dict(client.native_connection.get_dsn_parameters())

    assert told().items() >= {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "6"}.items()
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{postgres}?keepalives_idle=7")
    assert told()["keepalives_idle"] == "7"


def test_rows_of_all_tables_go_through_few_connections(
    warehouse: Warehouse,
    watcher: psycopg2.extensions.connection,
    serve: Callable[..., Sandbox],
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve()
    connect = Mock(wraps=dbapi.connect)
    monkeypatch.setattr(dbapi, "connect", connect)
    assert sync(warehouse, vendors=["leadfeeder_legacy"], clock=clock).exit_code == 0
    # two for each piece: one with all streams, and what the exports bring
    assert 1 <= connect.call_count <= 4
    assert rows_of(warehouse, "leadfeeder_legacy", "visits")
    assert all_end(watcher)


def test_a_runs_lock_is_given_back_before_its_connection_goes(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is busy takes a while to notice that a connection is gone; here it never does."""
    left: list[SqlClientBase[Any]] = []
    with monkeypatch.context() as patch:
        patch.setattr(type(warehouse._client()), "close_connection", lambda client: left.append(client))
        with warehouse.vendor_lock("leedo"):
            pass
        with warehouse.vendor_lock("leedo"):
            pass
    for client in left:
        client.close_connection()
