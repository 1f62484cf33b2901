"""Export requests of a process that is killed: the next one goes on with them, and nobody is asked twice."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock
from tests.leadfeeder_legacy.test_exports import posts
from tests.pipelines.cli_process import start
from tests.reading import rows_of

VENDOR = "leadfeeder_legacy"
COMMAND = ("sync", "--stream", "feed_leads", "--destination")

Reached = Callable[[Sandbox, Warehouse], bool]
MOMENTS: dict[str, Reached] = {
    "first poll": lambda sandbox, _: sandbox.requests.count("/export-requests/*") >= 1,
    "download": lambda sandbox, _: sandbox.requests.count("/download/*") >= 1,
    "load": lambda _, warehouse: any((warehouse.working_dir / VENDOR / "load" / "normalized").glob("*/*")),
}


def killed(destination: str, reached: Callable[[], bool]) -> None:
    """Begin a sync, and kill it as soon as something is reached."""
    process = start(*COMMAND, destination)
    assert process.when(reached, 60), "it ended before it could be killed"
    process.signal(signal.SIGKILL)
    process.wait()


def once_more(destination: str) -> None:
    again = start(*COMMAND, destination).wait(90)
    assert again.exit_code == 0, again


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, house: Path) -> Iterator[Sandbox]:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", '["all_leads"]')
    with Sandbox(World(days=40, accounts=1, visits_per_day=5), limits=False) as sandbox:
        for name, value in sandbox.settings().items():
            monkeypatch.setenv(name, value)
        yield sandbox


def test_killed_before_an_answer_the_ledger_says_so(sandbox: Sandbox) -> None:
    sandbox.faults.add("stall", path="*/export-requests", method="POST", times=1)
    killed("duckdb", lambda: posts(sandbox) >= 1)
    once_more("duckdb")
    requests = rows_of(Warehouse("duckdb", clock=Clock()), VENDOR, "export_requests")
    assert posts(sandbox) == len(requests)
    (lost,) = [row for row in requests if row["status"] == "unclear"]
    assert lost["id"].startswith("unclear-")
    assert lost["error"] == "no answer was recorded; it may have been taken"
    assert all(row["finished_at"] for row in requests)


# the ledger's steps are the same in both; what differs is the load
@pytest.mark.parametrize(
    ("destination", "moment"),
    [*(("duckdb", moment) for moment in MOMENTS), ("postgres", "first poll"), ("postgres", "load")],
    indirect=["destination"],
)
def test_killed_at(moment: str, destination: str, sandbox: Sandbox) -> None:
    warehouse = Warehouse(destination, clock=Clock())
    killed(destination, lambda: MOMENTS[moment](sandbox, warehouse))
    once_more(destination)
    loaded = rows_of(warehouse, VENDOR, "feed_leads")
    windows = {(row["start_date"], row["end_date"]) for row in loaded}
    # one request for each window; a window that was loaded before the kill is asked for again only if it goes on
    assert len(windows) <= posts(sandbox) <= len(windows) + (moment == "load")
    undisturbed = sum(len(sandbox.world.window("6001", first, last, "account").leads) for first, last in windows)
    assert len(loaded) == undisturbed
    assert warehouse.query(f"SELECT id FROM {VENDOR}.export_requests WHERE finished_at IS NULL") == []
