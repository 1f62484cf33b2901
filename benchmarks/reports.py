"""Figure R: the memory that a report takes, short and long."""

import logging
from pathlib import Path

from . import counts
from .figures import Figure
from .processes import Cost, measure, peak, sync
from .vendor import Story, serve

log = logging.getLogger(__name__)

LEADS = 1_000


def reports(folder: Path, sizes: tuple[int, int], rounds: int) -> Figure:
    """The peak of a sync that loads one report of so many rows, through the export requests, into DuckDB."""
    story = Story(1, LEADS)
    taken: dict[int, list[Cost]] = {}
    landed: dict[int, int] = {}
    with serve(story) as vendor:
        env = vendor.settings(export_feeds='["all_leads"]', export_requests_per_minute="100000")
        days = sync("--stream", "feed_leads", "--from", story.first.isoformat(), "--to", story.last.isoformat())
        for number in range(rounds):
            for size in sizes:
                log.info("round %d: a report of some %s rows", number + 1, f"{size:,}")
                vendor.exports(multiply=max(size // LEADS, 1), pending_polls=0)
                house = folder / f"{size}_{number}"
                taken.setdefault(size, []).append(measure(days, house, env))
                (landed[size],) = counts.query(
                    house / "leadhouse.duckdb", "SELECT count(*) FROM leadfeeder_legacy.feed_leads"
                )[0]
    few, many = (peak(taken[size]) for size in sizes)
    return Figure(
        "R",
        f"{many / 1e6:,.0f} MB",
        f"{few / 1e6:,.0f} MB",
        many / few,
        f"peak memory of a sync that loads a report of {landed[sizes[1]]:,} rows, against one of {landed[sizes[0]]:,}",
    )
