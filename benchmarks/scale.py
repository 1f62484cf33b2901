"""What a first load and a nightly run cost, from a handful of visits a day to twenty million.

`python -m benchmarks.scale` measures a small and a larger load of the simulated vendor, and prints the tables of
docs/scale.md. Requests and hours follow from what an account takes (`first_load`) and the documented limits; CPU and
size grow with the visits, by the slope between the two loads.
"""

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sandbox import Sandbox, World
from sources.first_load import FirstLoad, Load
from sources.leadfeeder.api import REQUESTS_PER_SECOND
from sources.leadfeeder.first_load import load_of_account as of_v1
from sources.leadfeeder_legacy.api import REQUESTS_PER_MINUTE
from sources.leadfeeder_legacy.export_requests import REQUESTS_PER_MINUTE as EXPORTS_PER_MINUTE
from sources.leadfeeder_legacy.first_load import load_of_account as of_legacy
from sources.windows import Days

from .processes import LEADHOUSE, measure

ACCOUNTS = (1, 50, 1_000)
VISITS_PER_DAY = (10, 1_000, 20_000)
# an account of the sandbox's has as many feeds and lists
FEEDS, LISTS = 6, 2
FIRST, NIGHT = 365, 4
UNLIMITED = {
    "SOURCES__LEADFEEDER__REQUESTS_PER_SECOND": "100000",
    "SOURCES__LEADFEEDER_LEGACY__REQUESTS_PER_MINUTE": "100000",
    "SOURCES__LEADFEEDER_LEGACY__EXPORT_REQUESTS_PER_MINUTE": "100000",
}


@dataclass(frozen=True)
class Slope:
    """What a load takes: once, and for each visit."""

    once: float
    per_visit: float

    def of(self, visits: float) -> float:
        return self.once + self.per_visit * visits


@dataclass(frozen=True)
class Measured:
    """A real load: its visits, its requests, seconds of CPU and bytes of the warehouse."""

    visits: int
    requests: int
    cpu: float
    size: int


def legacy(accounts: int, visits_per_day: float) -> FirstLoad:
    """The token API, whose limit counts for all accounts of a token."""
    load = of_legacy(visits_per_day, FEEDS).times(accounts) + Load(once=1)
    return FirstLoad(load, REQUESTS_PER_MINUTE / 60, "", EXPORTS_PER_MINUTE / 60)


def v1(accounts: int, visits_per_day: float) -> FirstLoad:
    """The /v1 API; eight companies in ten visits are new in a week."""
    load = of_v1(visits_per_day, 0.8 * visits_per_day, FEEDS, LISTS).times(accounts) + Load(once=1)
    return FirstLoad(load, REQUESTS_PER_SECOND, "")


def load(vendor: str, days: int, accounts: int, visits_per_day: float, folder: Path) -> Measured:
    """Load some days of the simulated vendor, and measure."""
    today = datetime.now(UTC).date()
    with Sandbox(World(days=days, accounts=accounts, visits_per_day=visits_per_day, today=today), limits=False) as s:
        s.leadfeeder_legacy.options.exports.pending_polls = 1
        secret = f"SOURCES__{vendor.upper()}__"
        env = {name: value for name, value in s.settings().items() if name.startswith(secret)} | UNLIMITED
        env[f"{secret}START_DATE"] = f"{today - timedelta(days=days - 1)}"
        took = measure([LEADHOUSE, "sync", vendor, "--json"], folder, env)
    summary = json.loads((folder / "output.txt").read_text().splitlines()[-1])
    visits = sum(each["rows"] for v in summary["vendors"] for each in v["streams"] if each["stream"] == "visits")
    return Measured(visits, summary["requests"], took.cpu, (folder / "leadhouse.duckdb").stat().st_size)


def slopes(few: Measured, many: Measured) -> tuple[Slope, Slope]:
    """CPU seconds and bytes, once and for each visit."""
    more = many.visits - few.visits
    cpu, size = (many.cpu - few.cpu) / more, (many.size - few.size) / more
    return Slope(few.cpu - cpu * few.visits, cpu), Slope(few.size - size * few.visits, size)


def span(days: int, until: date | None = None) -> Days:
    """So many days up to one."""
    last = until or date(2026, 12, 31)
    return Days(last - timedelta(days=days - 1), last)


def rows(days: int, cpu: Slope, size: Slope | None = None) -> list[list[str]]:
    """A row for each number of accounts and visits: what a load of some days takes, and how much room."""
    found = []
    for accounts in ACCOUNTS:
        for visits in VISITS_PER_DAY:
            cells = [f"{accounts:,}", f"{visits:,}"]
            for cost in (legacy(accounts, visits), v1(accounts, visits)):
                cells += [f"{cost.requests(span(days)):,}", hours(cost.seconds(span(days)))]
            cells.append(hours(cpu.of(accounts * visits * days)))
            if size:
                cells.append(giga(size.of(accounts * visits * days)))
            found.append(cells)
    return found


def hours(seconds: float) -> str:
    """Minutes below two hours, days above two of them."""
    if seconds < 7_200:
        return f"{max(math.ceil(seconds / 60), 1)} min"
    return f"{seconds / 3600:,.0f} h" if seconds < 172_800 else f"{seconds / 86_400:,.0f} d"


def giga(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.0f} GB"


HEADER = ("accounts", "visits a day, each", "token API: requests", "takes", "/v1: requests", "takes", "CPU")


def main(days: int = 10, few: float = 40, many: float = 2_000) -> None:
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        small, large = (load("leadfeeder_legacy", days, 1, visits, Path(name, f"{visits}")) for visits in (few, many))
    cpu, size = slopes(small, large)
    print_table((*HEADER, "DuckDB file"), rows(FIRST, cpu, size))
    print_table(HEADER, rows(NIGHT, cpu))
    sys.stdout.write(
        f"\nmeasured: {small} and {large}; {cpu.per_visit * 1000:.2f} s of CPU and {size.per_visit / 1000:.2f} MB "
        "for 1,000 visits\n"
    )


def print_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """A table in Markdown."""
    out = [header, ["---"] * len(header), *lines]
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in out))


if __name__ == "__main__":
    main()
