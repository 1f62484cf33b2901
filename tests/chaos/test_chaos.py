"""Killed at moments spread over a run of all vendors, a sync is made good by the next one: row for row.

A few moments in the suite; `make chaos` takes 200 of each database and prints how many held.
"""

import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock
from tests.conftest import database
from tests.pipelines.cli_process import LAST_DAY, Ended, Started, _server, settings, simulated
from tests.reading import Rows, dump, streams_of, tables_of

from .killing import command

KILLS = int(os.environ.get("LEADHOUSE_CHAOS", "2"))
Tables = dict[str, dict[str, Rows]]


@dataclass
class Yard:
    """Where runs are killed: one database after another, each empty at first."""

    destination: str
    sandbox: Sandbox
    server: str
    folder: Path

    def empty(self) -> "Yard":
        return Yard(self.destination, self.sandbox, self.server, self.folder / uuid.uuid4().hex)

    def environment(self) -> dict[str, str]:
        self.folder.mkdir()
        found = dict(os.environ) | settings(self.sandbox) | {"DLT_DATA_DIR": str(self.folder / "dlt")}
        found["SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS"] = "all_leads"
        if self.destination == "postgres":
            found["DESTINATION__POSTGRES__CREDENTIALS"] = database(self.server)
        return found

    def run(self, environment: dict[str, str], last: int | None = None) -> Ended:
        out, err = (self.folder / f"{uuid.uuid4().hex}.{stream}" for stream in ("stdout", "stderr"))
        words = ("sync", "--destination", self.destination)
        process = _server().Process(target=command, args=(words, environment, self.folder, out, err, last), daemon=True)
        out.touch()
        err.touch()
        process.start()
        return Started(process, out, err).wait(60)

    def moments(self) -> int:
        """How many there were in the only run that was not killed."""
        [left] = self.folder.glob("*.moments")
        return int(left.read_text())

    def tables(self, environment: dict[str, str]) -> Tables:
        """Every table of every vendor, without the instants that are ours."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in environment.items():
                patch.setenv(name, value)
            warehouse = Warehouse(self.destination, clock=Clock())
            with warehouse.open():
                found = {vendor: dump(warehouse, vendor) for vendor in VENDORS}
        for vendor, tables in found.items():
            for table in tables_of(vendor):
                ours = {column.name for column in table.columns if column.type == "timestamp" and column.at is None}
                for row in tables[table.name]:
                    for name in ours & set(row):
                        row[name] = row[name] is None
        return found


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def yard(
    request: pytest.FixtureRequest, postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Yard]:
    world = World(today=LAST_DAY, days=2, accounts=1, visits_per_day=4)
    with simulated(world) as sandbox:
        sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
        yield Yard(request.param, sandbox, postgres_server, tmp_path_factory.mktemp("chaos"))


def test_killed_and_made_good(yard: Yard) -> None:
    undisturbed = yard.empty()
    environment = undisturbed.environment()
    ended = undisturbed.run(environment)
    assert ended.exit_code == 0, ended
    expected = undisturbed.tables(environment)
    for vendor in VENDORS:
        assert [stream.name for stream in streams_of(vendor) if not expected[vendor][stream.tables[0].name]] == []
    total = undisturbed.moments()
    assert total > KILLS
    held, wrong = 0, []
    for number in range(KILLS):
        last = max(total * (2 * number + 1) // (2 * KILLS), 1)
        killed = yard.empty()
        environment = killed.environment()
        first = killed.run(environment, last)
        again = killed.run(environment, 10**9)
        found = killed.tables(environment)
        differ = [f"{v}.{table}" for v in VENDORS for table, rows in expected[v].items() if found[v][table] != rows]
        if first.exit_code in (-signal.SIGKILL, 0) and again.exit_code == 0 and not differ:
            held += 1
        else:
            wrong.append((last, first.exit_code, again, differ))
    print(f"{yard.destination}: {held} of {KILLS}, spread over {total:,} moments")  # noqa: T201
    assert not wrong, "\n".join(f"killed at {last}: {again}, {differ}" for last, _, again, differ in wrong)
