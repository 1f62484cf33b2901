"""`python -m sandbox`: serves the simulated vendors and prints the settings that point leadhouse at them."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import date

from .app import Sandbox
from .leadfeeder_legacy import LegacyOptions
from .world import DayZone, World


def serve(
    *,
    port: int = 0,
    seed: int = 1,
    today: date | None = None,
    days: int = 28,
    accounts: int = 3,
    visits_per_day: float = 40,
    latency: float = 0.0,
    limits: bool = True,
    day_zone: DayZone = "account",
) -> None:
    """Prints `export NAME=VALUE` lines, then serves until Ctrl-C."""
    world = World(seed, today, days, accounts, visits_per_day)
    sandbox = Sandbox(world, port=port, latency=latency, limits=limits, legacy=LegacyOptions(day_zone=day_zone))
    sandbox.serve(ready=_print_settings)


def _print_settings(sandbox: Sandbox) -> None:
    for name, value in sandbox.settings().items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--today", type=date.fromisoformat, help="the last day of the story; default: as the clock goes on"
    )
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--accounts", type=int, default=3)
    parser.add_argument("--visits-per-day", type=float, default=40, help="of the largest account")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--no-limits", dest="limits", action="store_false", help="no rate limits")
    parser.add_argument("--day-zone", choices=("account", "utc"), default="account", help="whose midnight bounds a day")
    serve(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
