"""The default run: what a load, a daily run and an idle run cost."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from .figures import Figure, times
from .loads import Loads, backfill, memory
from .processes import LEADHOUSE, Cost, cpu, measure, python, sync
from .vendor import ACCOUNT, Story, fewest, serve

log = logging.getLogger(__name__)

# what a daily run reads again, by default
LOOKBACK = timedelta(days=3)


@dataclass(frozen=True)
class Size:
    """How much is loaded, and how often."""

    rounds: int = 3
    visits: int = 100_000
    days: int = 90
    default_visits: int = 30_000
    full: bool = False


@dataclass
class Bench:
    """Measures what is asked for; `facts` says what there was to load."""

    size: Size
    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, wanted: frozenset[str]) -> list[Figure]:
        """The figures, by their letters."""
        self.facts["rounds"] = self.size.rounds
        found: list[Figure] = []
        if wanted & set("ABFH"):
            story = Story(self.size.days, self.size.visits)
            with serve(story) as vendor:
                found += Loads(
                    vendor,
                    story,
                    self.folder,
                    self.facts,
                    rounds=self.size.rounds,
                    default_visits=self.size.default_visits,
                ).run(wanted)
        if "F" in wanted and self.size.full:
            found.append(self._tenfold())
        if "D" in wanted:
            found += self._requests()
        if "G" in wanted:
            found += self._idle()
        return sorted(found, key=lambda figure: figure.name)

    def _tenfold(self) -> Figure:
        """Figure F with ten times as many days; only once, because peaks hardly vary."""
        log.info("ten times as many days")
        story = Story(self.size.days * 10, self.size.visits * 10)
        with serve(story) as vendor:
            hundredth = story.first + timedelta(days=max(self.size.days // 10, 1) - 1)
            few = backfill(vendor, self.folder / "few", story.first, hundredth)
            many = backfill(vendor, self.folder / "many", story.first, story.last)
        return memory("F full", (many.rows["visits"], many.cost.peak), (few.rows["visits"], few.cost.peak))

    def _requests(self) -> list[Figure]:
        story = Story(self.size.days, self.size.visits, settled=False)
        fewest_are = "against the fewest: leads day by day, visits as one range, pages of 100"
        found: list[Figure] = []
        with serve(story) as vendor:
            env = vendor.settings(start_date=story.first.isoformat())
            for name, text in (("D first", "a first load"), ("D daily", "the next run, three days back")):
                log.info("%s", text)
                vendor.forget()
                measure(sync(), self.folder / "requests", env)
                world = story.world()
                today = world.last_day(world.account(ACCOUNT))
                ours = len(vendor.requests())
                least = len(
                    fewest(world, story.first if name == "D first" else max(story.first, today - LOOKBACK), today)
                )
                found.append(Figure(name, f"{ours:,}", f"{least:,}", ours / least, f"requests of {text}, {fewest_are}"))
        return found

    def _idle(self) -> list[Figure]:
        days = min(28, self.size.days)
        story = Story(days, 40 * days, accounts=3, settled=False)
        house = self.folder / "idle"
        runs: list[Cost] = []
        imports: list[Cost] = []
        helps: list[Cost] = []
        empties: list[Cost] = []
        with serve(story) as vendor:
            env = vendor.settings(start_date=story.first.isoformat())
            measure(sync(), house, env)
            for number in range(self.size.rounds):
                log.info("idle: round %d", number + 1)
                empties.append(measure(python("-c", "pass"), house))
                imports.append(measure(python("-c", "import dlt, duckdb, pyarrow"), house))
                vendor.forget()
                runs.append(measure(sync(), house, env))
                helps.append(measure([LEADHOUSE, "--help"], house))
            requests = len(vendor.requests())
        against = f"a sync with nothing new, 3 accounts, {requests} requests, against importing dlt, duckdb and pyarrow"
        return [
            times("G wall", runs, imports, against),
            Figure("G cpu", f"{cpu(runs):.2f} s", f"{cpu(imports):.2f} s", cpu(runs) / cpu(imports), "the same by CPU"),
            times("G help", helps, empties, "leadhouse --help, against a Python that does nothing"),
        ]
