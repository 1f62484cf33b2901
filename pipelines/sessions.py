"""PostgreSQL's connections, kept while dlt opens and closes them, some dozens of times a piece.

Each is a process of the server's that knows nothing yet, and the driver for Arrow looks up all types of the database
before its first row.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import psycopg2
from adbc_driver_manager import dbapi
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

Connection = TypeVar("Connection", psycopg2.extensions.connection, dbapi.Connection)
_turn = threading.Lock()


class _Kept(Generic[Connection]):
    """Open connections that nobody uses."""

    def __init__(self) -> None:
        self._by_server: dict[str, list[Connection]] = {}

    def take(self, server: str) -> Connection | None:
        with _turn:
            idle = self._by_server.get(server)
            return idle.pop() if idle else None

    def give(self, server: str, connection: Connection) -> bool:
        """Keep one for the next; False where nobody is at work who would let go of it."""
        with _turn:
            if _at_work:
                self._by_server.setdefault(server, []).append(connection)
            return _at_work > 0

    def close(self) -> None:
        with _turn:
            idle = [connection for each in self._by_server.values() for connection in each]
            self._by_server.clear()
        for connection in idle:
            connection.close()


_at_work = 0
_sessions: _Kept[psycopg2.extensions.connection] = _Kept()
_copiers: _Kept[dbapi.Connection] = _Kept()


@contextmanager
def keeping() -> Iterator[None]:
    """Until this is left, keep connections to PostgreSQL for whoever opens the next."""
    global _at_work
    with _turn:
        _at_work += 1
    try:
        yield
    finally:
        with _turn:
            _at_work -= 1
        if not _at_work:
            _sessions.close()
            _copiers.close()


def _open_session(client: Psycopg2SqlClient) -> Any:
    while kept := _sessions.take(_address(client)):
        try:
            kept.cursor().execute("SELECT 1")
        except psycopg2.Error:
            kept.close()
        else:
            client._conn = kept
            return kept
    return _open_new_session(client)


def _close_session(client: Psycopg2SqlClient) -> None:
    if (connection := client._conn) is not None and _at_work:
        try:
            # psycopg2 discards all that the end of a session would let go of: temporary tables, locks
            client._reset_connection()
        except psycopg2.Error:
            pass
        else:
            if _sessions.give(_address(client), connection):
                client._conn = None
    _close_open_session(client)


def _address(client: Psycopg2SqlClient) -> str:
    return f"{client.credentials.to_native_representation()} {client.fully_qualified_dataset_name()}"


# two of them fill two cores, here and at the server
_seats = threading.BoundedSemaphore(2)


@contextmanager
def _copier(job: PostgresParquetCopyJob) -> Iterator[dbapi.Connection]:
    credentials: Any = job._job_client.config.credentials
    server = credentials.to_native_representation()
    with _seats:
        connection = _copiers.take(server) or _connect(job)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if not _copiers.give(server, connection):
            connection.close()


_open_new_session = Psycopg2SqlClient.open_connection
_close_open_session = Psycopg2SqlClient.close_connection
_connect = PostgresParquetCopyJob._connect
Psycopg2SqlClient.open_connection = _open_session  # type: ignore[method-assign, assignment]
Psycopg2SqlClient.close_connection = _close_session  # type: ignore[method-assign, assignment]
PostgresParquetCopyJob._connect = _copier  # type: ignore[method-assign, assignment]
