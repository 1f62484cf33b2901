"""The command line as its users meet it: in this process where that is enough, or in one that can be killed.

A process is forked off a server that has imported everything already: a start costs next to nothing.
"""

import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines import cli
from pipelines.vendors import VENDORS
from sandbox import Sandbox, World

ROOT = Path(__file__).parents[2]
VENDOR = "leadfeeder_legacy"
SECRET = "SOURCES__LEADFEEDER_LEGACY__API_TOKEN"
BASE_URL = "SOURCES__LEADFEEDER_LEGACY__BASE_URL"
TOKEN = "sandbox-legacy-token"
NO_PORT = "127.0.0.1:9"
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
PATIENCE = 20.0
# the story ends before today: what has happened by now is the same whenever a run looks
LAST_DAY = datetime.now(UTC).date() - timedelta(days=2)
FIRST_DAY = LAST_DAY - timedelta(days=4)
# what others import when it is first needed, which in a process of its own is each time
LATE = ("sqlalchemy.engine", "pyarrow.parquet")
# requests a second: never waited for here, and few enough to be cut into pieces
RATE = 40
SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code (negative: the signal that ended it) and its words."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Started:
    """A command at work in its own process."""

    process: ForkServerProcess
    stdout: Path
    stderr: Path

    def wait(self, timeout: float = PATIENCE) -> Ended:
        """Its end; fails where it does not come in time."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            pytest.fail(f"still at work after {timeout} s:\n{self.stderr.read_text()}")
        return Ended(self.process.exitcode, self.stdout.read_text(), self.stderr.read_text())

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.process.exitcode is None and self.process.pid is not None:
            os.kill(self.process.pid, number)

    def when(self, happened: Callable[[], bool], timeout: float = PATIENCE) -> bool:
        """Wait until something has happened; False where the process ended without it."""
        deadline = time.monotonic() + timeout
        while not happened():
            if self.process.exitcode is not None:
                return False
            assert time.monotonic() < deadline, self.stderr.read_text()
            time.sleep(0.002)
        return True


def leadhouse(*arguments: str) -> Ended:
    """Run a command in this process."""
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in ("sources", "pipelines")]
    handlers, levels = list(root.handlers), [logger.level for logger in (root, *ours)]
    try:
        result = CliRunner().invoke(cli.app, arguments)
    finally:
        root.handlers[:] = handlers
        for logger, level in zip((root, *ours), levels, strict=True):
            logger.setLevel(level)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def start(*arguments: str, piece: timedelta | None = None) -> Started:
    """Run a command in a process of its own, in the current folder; `piece` bounds how much it commits at once."""
    number = len(list(Path.cwd().glob("*.stdout")))
    stdout, stderr = Path(f"{number}.stdout").absolute(), Path(f"{number}.stderr").absolute()
    stdout.touch()
    stderr.touch()
    process = _server().Process(
        target=_command, args=(arguments, dict(os.environ), Path.cwd(), stdout, stderr, piece), daemon=True
    )
    process.start()
    return Started(process, stdout, stderr)


def assert_one_sentence(ended: Ended, *words: str) -> None:
    """A failure says itself in one line, with these words in it, and says nothing else."""
    assert ended.stdout == ""
    assert re.fullmatch(r"leadhouse: [^\n]+\n", ended.stderr), ended.stderr
    for word in words:
        assert word in ended.stderr


@contextmanager
def held_by_another(path: Path, *, read_only: bool = True) -> Iterator[subprocess.Popen[str]]:
    """Another program that has a DuckDB file open, until it is told to go."""
    code = (
        "import duckdb, sys\n"
        f"connection = duckdb.connect({str(path)!r}, read_only={read_only})\n"
        "print('open', flush=True)\nsys.stdin.readline()\nconnection.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def simulated(world: World | None = None, *, latency: float = 0.0) -> Iterator[Sandbox]:
    """The vendors in real time and without limits; the story goes from FIRST_DAY to LAST_DAY."""
    world = world or World(today=LAST_DAY, days=5, accounts=2, visits_per_day=8)
    with Sandbox(world, limits=False, latency=latency) as sandbox:
        yield sandbox


def settings(sandbox: Sandbox) -> dict[str, str]:
    """Environment variables that make every vendor load the story as fast as it comes."""
    own = {"START_DATE": FIRST_DAY.isoformat()}
    own |= {f"REQUESTS_PER_{unit}": str(RATE * seconds) for unit, seconds in SECONDS.items()}
    # a report is waited for in real time
    own["EXPORT_FEEDS"] = "[]"
    return sandbox.settings() | {f"SOURCES__{v.upper()}__{name}": value for v in VENDORS for name, value in own.items()}


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    ours = ("cli", "options", "progress", "status", "sync", "check", "recover", "alert")
    modules = [*(f"pipelines.{name}" for name in ours), *(f"sources.{vendor}" for vendor in VENDORS), *LATE, __name__]
    context.set_forkserver_preload(modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        # the server starts with the first process
        first = context.Process(target=_nothing)
        first.start()
        first.join()
    return context


def _nothing() -> None:
    """What the first process does."""


def _command(
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    folder: Path,
    stdout: Path,
    stderr: Path,
    piece: timedelta | None,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if piece is not None:
        from sources import runs

        runs.PIECE = piece
    sys.argv = ["leadhouse", *arguments]
    cli.main()
