"""Export requests of a process that is killed: the next one goes on with them, and nobody is asked twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at(moment: str, destination: str, monkeypatch: pytest.MonkeyPatch, house: Path) -> None:
    if destination == "postgres" and moment not in ("first poll", "load"):
        pytest.skip("the ledger's steps are the same; what differs is the load")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", '["all_leads"]')
    with Sandbox(World(days=40, accounts=1, visits_per_day=5), limits=False) as sandbox:
        for name, value in sandbox.settings().items():
            monkeypatch.setenv(name, value)
        warehouse = Warehouse(destination, clock=Clock())
        process = subprocess.Popen([*COMMAND, destination], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not MOMENTS[moment](sandbox, warehouse):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        again = subprocess.run([*COMMAND, destination], capture_output=True, timeout=90, text=True, check=False)
        assert again.returncode == 0, again.stdout + again.stderr
        windows = {(row["start_date"], row["end_date"]) for row in rows_of(warehouse, VENDOR, "feed_leads")}
        killed = rows_of(warehouse, VENDOR, "feed_leads")
        # one request for each window; a window that was loaded before the kill is asked for again only if it goes on
        assert len(windows) <= posts(sandbox) <= len(windows) + (moment == "load")
        undisturbed = sum(len(sandbox.world.window("6001", first, last, "account").leads) for first, last in windows)
        assert len(killed) == undisturbed
        assert warehouse.query(f"SELECT id FROM {VENDOR}.export_requests WHERE finished_at IS NULL") == []
