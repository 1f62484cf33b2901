"""Export requests of a process that is killed: the next one goes on with them, and nobody is asked twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock
from tests.leadfeeder_legacy.test_exports import posts
from tests.reading import rows_of

VENDOR = "leadfeeder_legacy"
COMMAND = [sys.executable, "-m", "pipelines.cli", "sync", "--stream", "feed_leads", "--destination"]
ROOT = Path(__file__).parents[2]

Reached = Callable[[Sandbox, Warehouse], bool]
MOMENTS: dict[str, Reached] = {
    "first poll": lambda sandbox, _: sandbox.requests.count("/export-requests/*") >= 1,
    "third poll": lambda sandbox, _: sandbox.requests.count("/export-requests/*") >= 3,
    "download": lambda sandbox, _: sandbox.requests.count("/download/*") >= 1,
    "load": lambda _, warehouse: any((warehouse.working_dir / VENDOR / "load" / "normalized").glob("*/*")),
}


def killed(command: list[str], reached: Callable[[], bool]) -> None:
    """Run a command until something is reached, and kill it there."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not reached():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def once_more(command: list[str]) -> None:
    again = subprocess.run(command, capture_output=True, timeout=90, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, house: Path) -> Iterator[Sandbox]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", '["all_leads"]')
    with Sandbox(World(days=40, accounts=1, visits_per_day=5), limits=False) as sandbox:
        for name, value in sandbox.settings().items():
            monkeypatch.setenv(name, value)
        yield sandbox


def test_killed_before_an_answer_the_ledger_says_so(sandbox: Sandbox) -> None:
    sandbox.faults.add("stall", path="*/export-requests", method="POST", times=1)
    killed([*COMMAND, "duckdb"], lambda: posts(sandbox) >= 1)
    once_more([*COMMAND, "duckdb"])
    requests = rows_of(Warehouse("duckdb", clock=Clock()), VENDOR, "export_requests")
    assert posts(sandbox) == len(requests)
    (lost,) = [row for row in requests if row["status"] == "unclear"]
    assert lost["id"].startswith("unclear-")
    assert lost["error"] == "no answer was recorded; it may have been taken"
    assert all(row["finished_at"] for row in requests)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at(moment: str, destination: str, sandbox: Sandbox) -> None:
    if destination == "postgres" and moment not in ("first poll", "load"):
        pytest.skip("the ledger's steps are the same; what differs is the load")
    warehouse = Warehouse(destination, clock=Clock())
    killed([*COMMAND, destination], lambda: MOMENTS[moment](sandbox, warehouse))
    once_more([*COMMAND, destination])
    loaded = rows_of(warehouse, VENDOR, "feed_leads")
    windows = {(row["start_date"], row["end_date"]) for row in loaded}
    # one request for each window; a window that was loaded before the kill is asked for again only if it goes on
    assert len(windows) <= posts(sandbox) <= len(windows) + (moment == "load")
    undisturbed = sum(len(sandbox.world.window("6001", first, last, "account").leads) for first, last in windows)
    assert len(loaded) == undisturbed
    assert warehouse.query(f"SELECT id FROM {VENDOR}.export_requests WHERE finished_at IS NULL") == []
