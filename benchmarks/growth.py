"""Figure E: a daily run merged into a table that holds few rows, and into one that holds many."""

import logging
from contextlib import ExitStack
from pathlib import Path

from . import counts, postgres
from .figures import Figure, times
from .processes import Cost, measure, sync
from .vendor import Story, serve

log = logging.getLogger(__name__)

FILLED = ("visits", "visit_pages", "lead_days")
FIRST_DAY = "DATE '2015-01-01'"
DAYS = 3000


def growth(folder: Path, sizes: tuple[int, int], destination: str, rounds: int, visits_per_day: int) -> Figure:
    """One day's sync, in turns, of two warehouses that hold so many older visits, pages and lead days each."""
    story = Story(5, visits_per_day * 5, settled=False)
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    with ExitStack() as stack:
        vendor = stack.enter_context(serve(story))
        arguments = sync("--destination", destination)
        houses: list[tuple[Path, Path | str, dict[str, str]]] = []
        server = stack.enter_context(postgres.server()) if destination == "postgres" else None
        for size in sizes:
            house = folder / f"house_{size}"
            env = vendor.settings(start_date=story.first.isoformat())
            place: Path | str = house / "leadhouse.duckdb"
            if server:
                place = env["DESTINATION__POSTGRES__CREDENTIALS"] = stack.enter_context(postgres.database(server))
            measure(arguments, house, env)
            log.info("%s: filling in %s rows", destination, f"{size:,}")
            for table in FILLED:
                fill(place, table, size)
            measure(arguments, house, env)
            houses.append((house, place, env))
        for number in range(rounds):
            log.info("round %d", number + 1)
            for (house, _, env), taken in zip(houses, costs, strict=True):
                taken.append(measure(arguments, house, env))
        for (_, place, _), size in zip(houses, sizes, strict=True):
            landed = counts.of(place)
            if any(not size < landed[table] for table in FILLED):
                raise RuntimeError(f"rows are missing: {landed}")
    few, many = sizes
    return times(
        f"E {destination}",
        costs[1],
        costs[0],
        f"a daily run of {visits_per_day:,} visits a day into {many:,} rows a table, against {few:,} rows",
    )


def fill(place: Path | str, table: str, rows: int) -> None:
    """Insert so many older rows, made of those that are there: other keys, other days."""
    dataset = "leadfeeder_legacy"
    listed = counts.query(
        place,
        "SELECT column_name FROM information_schema.columns "  # noqa: S608 — own names
        f"WHERE table_schema = '{dataset}' AND table_name = '{table}' ORDER BY ordinal_position",
    )
    columns = [name for (name,) in listed]
    made = dict.fromkeys(("id", "visit_id", "lead_id", "_dlt_id"), "md5(concat(n, '-', i))")
    made |= dict.fromkeys(("visit_date", "date"), f"{FIRST_DAY} + CAST(n + i AS INTEGER) % {DAYS}")
    values = ", ".join(made.get(name, f'"{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    base = counts.query(place, f"SELECT count(*) FROM {dataset}.{table}")[0][0]  # noqa: S608
    drop, make = _indexes(place, dataset, table)
    counts.query(
        place,
        *drop,
        f"INSERT INTO {dataset}.{table} ({names}) SELECT {values} "  # noqa: S608
        f"FROM (SELECT *, row_number() OVER () AS n FROM {dataset}.{table}) AS known, "
        f"generate_series(1, {rows // base + 1}) AS counter(i) LIMIT {rows}",
        *make,
        f"ANALYZE {dataset}.{table}",
        "CHECKPOINT",
    )


def _indexes(place: Path | str, dataset: str, table: str) -> tuple[list[str], list[str]]:
    """Statements that drop a table's indexes, and that make them anew: keys that come in no order fill them slowly."""
    if isinstance(place, Path):
        return [], []
    found = counts.query(
        place,
        "SELECT quote_ident(indexname), indexdef FROM pg_indexes "  # noqa: S608 — own names
        f"WHERE schemaname = '{dataset}' AND tablename = '{table}' AND indexname LIKE '%\\_by\\_%'",
    )
    make = ["SET maintenance_work_mem = '1GB'", *(definition for _, definition in found)]
    return [f"DROP INDEX {dataset}.{name}" for name, _ in found], make
