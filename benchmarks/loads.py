"""Figures A, B, F and H: one story, loaded by ours and by the references in turns."""

import json
import logging
import shutil
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from . import counts, postgres
from .figures import Figure, times
from .processes import Cost, cpu, measure, peak, script, sync, wall
from .vendor import ACCOUNT, Story, Vendor, fewest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Load:
    """What one load cost and landed."""

    cost: Cost
    rows: dict[str, int]


class Taken:
    """The loads of each contestant, round by round."""

    def __init__(self) -> None:
        self._loads: dict[str, list[Load]] = defaultdict(list)

    def add(self, name: str, load: Load, equal_to: Load | None = None) -> Load:
        """Raises RuntimeError where it has not landed what `equal_to` has."""
        if equal_to:
            agree(equal_to.rows, load.rows)
        self._loads[name].append(load)
        return load

    def costs(self, name: str) -> list[Cost]:
        return [load.cost for load in self._loads[name]]

    def rows(self, name: str) -> dict[str, int]:
        return self._loads[name][-1].rows

    def landed(self, name: str) -> int:
        return sum(self.rows(name).values())


class Loads:
    """`default_visits` is how many dlt's defaults are given at most; `facts` are told what there was to load."""

    def __init__(
        self, vendor: Vendor, story: Story, folder: Path, facts: dict[str, Any], *, rounds: int, default_visits: int
    ) -> None:
        self._vendor = vendor
        self._story = story
        self._folder = folder
        self._facts = facts
        self._rounds = rounds
        part = min(default_visits / story.visits, 1)
        self._default_last = story.first + timedelta(days=max(round(story.days * part), 1) - 1)
        self._tenth_last = story.first + timedelta(days=max(story.days // 10, 1) - 1)
        self._same = folder / "same.json"
        self._least = folder / "least.json"

    def run(self, wanted: frozenset[str]) -> list[Figure]:
        self._plan(self._least, fewest(self._story.world(), self._story.first, self._story.last))
        if self._rounds > 1:
            # the vendor makes its pages when they are first asked for
            log.info("warming up")
            self._ours()
            self._floor(self._least)
        found: list[Figure] = []
        if wanted & set("AFH"):
            found += self._duckdb()
        if "B" in wanted:
            found.append(self._postgres())
        return [figure for figure in found if figure.name[0] in wanted]

    def _duckdb(self) -> list[Figure]:
        taken = Taken()
        for number in range(self._rounds):
            log.info("DuckDB: round %d", number + 1)
            ours = taken.add("ours", self._ours())
            taken.add("floor", self._floor(self._same), ours)
            taken.add("tenth", self._part("tenth", self._tenth_last))
            taken.add("least", self._floor(self._least), ours)
            part = ours if self._default_last == self._story.last else self._part("part", self._default_last)
            taken.add("part", part)
            taken.add("default", self._default(), part)
        self._facts["rows"] = ", ".join(f"{count:,} {table}" for table, count in taken.rows("ours").items())
        self._facts["days"] = f"{self._story.first} … {self._story.last}"
        costs, part_costs, defaults = taken.costs("ours"), taken.costs("part"), taken.costs("default")
        millions = taken.landed("ours") / 1_000_000
        ours_cpu, floor_cpu = cpu(costs) / millions, cpu(taken.costs("floor")) / millions
        return [
            times("A", costs, taken.costs("floor"), "DuckDB, against the floor with the same requests"),
            times("A least", costs, taken.costs("least"), "DuckDB, against the floor with the fewest requests"),
            Figure(
                "A default",
                f"{wall(part_costs):.2f} s",
                f"{wall(defaults):.2f} s",
                wall(defaults) / wall(part_costs),
                f"how many times as fast as dlt's defaults, {taken.rows('part')['visits']:,} visits and their "
                "leads (more is better)",
            ),
            memory(
                "F",
                (taken.rows("ours")["visits"], peak(costs)),
                (taken.rows("tenth")["visits"], peak(taken.costs("tenth"))),
            ),
            Figure(
                "H",
                f"{ours_cpu:.1f} s",
                f"{floor_cpu:.1f} s",
                ours_cpu / floor_cpu,
                "CPU for a million rows landed in DuckDB, against the floor with the same requests",
            ),
        ]

    def _postgres(self) -> Figure:
        taken = Taken()
        with postgres.server() as server:
            for number in range(self._rounds):
                log.info("PostgreSQL: round %d", number + 1)
                with postgres.database(server) as database:
                    ours = taken.add("ours", self._ours(database))
                with postgres.database(server) as database:
                    taken.add("floor", self._floor(self._same, database), ours)
        text = "PostgreSQL, against the floor with the same requests and COPY"
        return times("B", taken.costs("ours"), taken.costs("floor"), text)

    def _ours(self, database: str | None = None) -> Load:
        """All days; what was asked for them is what the floor will ask."""
        self._vendor.forget()
        load = backfill(self._vendor, self._folder / "ours", self._story.first, self._story.last, database=database)
        self._plan(self._same, self._vendor.requests())
        return load

    def _part(self, name: str, last: date) -> Load:
        """The first days only."""
        return backfill(self._vendor, self._folder / name, self._story.first, last)

    def _floor(self, plan: Path, database: str | None = None) -> Load:
        folder = empty(self._folder / "floor")
        cost = measure(script("floor.py", str(plan), database or str(folder / "floor.duckdb")), folder)
        return Load(cost, counts.of(database or folder / "floor.duckdb"))

    def _default(self) -> Load:
        folder = empty(self._folder / "default")
        file = folder / "default.duckdb"
        days = self._story.first.isoformat(), self._default_last.isoformat()
        cost = measure(script("by_the_book.py", str(self._least), str(file), *days), folder)
        return Load(cost, counts.by_the_book(file))

    def _plan(self, path: Path, asked: list[dict[str, Any]]) -> None:
        self._facts[f"requests, {path.stem}"] = f"{len(asked):,}"
        plan = self._vendor.plan(asked) | {"account": ACCOUNT}
        path.write_text(json.dumps(plan))


def backfill(vendor: Vendor, folder: Path, first: date, last: date, *, database: str | None = None) -> Load:
    """Ours, into an empty warehouse: DuckDB, or the PostgreSQL database of that DSN."""
    empty(folder)
    command = sync("--from", first.isoformat(), "--to", last.isoformat())
    env = vendor.settings()
    if database:
        command += ["--destination", "postgres"]
        env["DESTINATION__POSTGRES__CREDENTIALS"] = database
    cost = measure(command, folder, env)
    return Load(cost, counts.of(database or folder / "leadhouse.duckdb"))


def empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def memory(name: str, many: tuple[int, float], few: tuple[int, float]) -> Figure:
    """Two backfills, each with its visits and its peak in bytes."""
    return Figure(
        name,
        f"{many[1] / 1e6:,.0f} MB",
        f"{few[1] / 1e6:,.0f} MB",
        many[1] / few[1],
        f"peak memory of a backfill of {many[0]:,} visits, against one of {few[0]:,}",
    )


def agree(ours: dict[str, int], other: dict[str, int]) -> None:
    """Whoever has other rows than we have, in the tables that both have, has done something else."""
    if {table: ours[table] for table in other} != other:
        raise RuntimeError(f"not the same rows: {ours} and {other}")
