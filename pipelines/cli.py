"""Words, options and exit codes. What the commands do is in the modules beside this one, imported when needed."""

import atexit
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from . import printing
from .environment import set_up, share_heaps, warn_of_readers
from .printing import err

log = logging.getLogger(__name__)

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
GOODBYE = "interrupted; what was committed is kept"

app = typer.Typer(
    name="leadhouse",
    help="Loads leads, visits, feeds and access grants from four vendor APIs into DuckDB, PostgreSQL or a lake.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Vendors = Annotated[
    list[str] | None, typer.Argument(metavar="[VENDOR]...", help="All configured ones if none is named.")
]
Destination = Annotated[
    str, typer.Option(help="duckdb, postgres, filesystem (a lake), or another destination of dlt's.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; logs go to stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Log every step, and show tracebacks.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log one JSON object per line on stderr.")]
MaxWait = Annotated[str, typer.Option(help="Longest wait for a vendor's limit or for the DuckDB file: 90s, 15m, 2h.")]


def main() -> None:
    """The console script."""
    # neither imports nor parsed pages leave cycles: looking for some takes a quarter of a second of each start, and a
    # fifth of a load
    gc.set_threshold(50_000, 20, 20)
    set_up()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except SystemExit as exited:
        # words in place of a code, and what cannot be written any more, the interpreter tells of
        if isinstance(exited.code, int):
            with suppress(OSError):
                atexit._run_exitfuncs()
                _leave(exited.code)
        raise


@app.command()
def sync(
    vendors: Vendors = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day of a backfill.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day of a backfill.")] = None,
    stream: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this stream; repeatable.")] = None,
    account: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this account; repeatable.")] = None,
    destination: Destination = "duckdb",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to wait for export requests.")] = True,
    max_wait: MaxWait = "1h",
    then_transform: Annotated[
        bool, typer.Option("--transform", help="Build and test the SQL models at the end.")
    ] = False,
    alert_slack: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Post to this Slack webhook what was not loaded; nothing if all was."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
    log_json: LogJson = False,
) -> None:
    """Load what is new since the last run; with --from and --to exactly those days, leaving the position alone."""
    with _command(debug=debug, log_json=log_json):
        from sources.clock import Clock
        from sources.settings import span

        from . import options
        from .alert import Alert
        from .progress import Display
        from .sync import sync as run
        from .transform import require_models, transform_after_sync
        from .warehouse import Warehouse

        clock = Clock()
        with _imports_frozen(), Alert(alert_slack) as alert:
            share_heaps()
            warn_of_readers()
            asked = options.asked(first, last, stream, account, clock.now().date())
            patience = span("--max-wait", max_wait)
            warehouse = Warehouse(destination, clock=clock, max_wait=patience)
            if then_transform:
                require_models(warehouse)
            with Display(err, quiet=log_json) as display:
                summary = run(
                    warehouse,
                    vendors=vendors or (),
                    asked=asked,
                    clock=clock,
                    max_wait=patience,
                    wait=wait,
                    watch=display.watch,
                )
            if not as_json:
                printing.summary(summary)
            # where nothing was tried, there is nothing new to build on
            built = transform_after_sync(warehouse) if then_transform and summary.exit_code != USAGE else None
            code = summary.exit_code or (built.exit_code if built else OK)
            alert.tell(summary, built, code)
        if as_json:
            more = {"transform": built.as_dict(), "exit_code": code} if built else {}
            printing.as_json(summary.as_dict() | more)
        elif built:
            printing.models(built)
        _exit(code)


@app.command()
def transform(
    destination: Destination = "duckdb",
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild the big marts whole, not only the days that have changed.")
    ] = False,
    max_wait: MaxWait = "1h",
    as_json: Json = False,
    debug: Debug = False,
    log_json: LogJson = False,
) -> None:
    """Build the SQL models (schemas staging and marts) from what is loaded, and test them."""
    with _command(debug=debug, log_json=log_json):
        from sources.clock import Clock
        from sources.settings import span

        from .transform import transform as build
        from .warehouse import Warehouse

        warehouse = Warehouse(destination, clock=Clock(), max_wait=span("--max-wait", max_wait))
        built = build(warehouse, full_refresh=full_refresh)
        if as_json:
            printing.as_json(built.as_dict())
        else:
            printing.models(built)
        _exit(built.exit_code)


@app.command()
def status(
    destination: Destination = "duckdb",
    max_wait: MaxWait = "1h",
    as_json: Json = False,
    debug: Debug = False,
    log_json: LogJson = False,
) -> None:
    """Show how far each vendor, account and stream is loaded; exit 1 where one is older than its setting allows."""
    with _command(debug=debug, log_json=log_json):
        from dataclasses import asdict

        from sources.clock import Clock
        from sources.settings import span

        from .freshness import max_ages
        from .status import status as read
        from .warehouse import Warehouse

        clock = Clock()
        warehouse = Warehouse(destination, clock=clock, max_wait=span("--max-wait", max_wait), read_only=True)
        lines = read(warehouse, clock.now())
        if as_json:
            printing.as_json({"streams": [asdict(line) for line in lines]})
        elif lines:
            printing.status(lines)
        else:
            printing.plain("Nothing has been loaded yet; run `leadhouse sync`.")
        # where something is expected, nothing at all is too old, too
        _exit(FAILED if any(line.stale for line in lines) or (max_ages() and not lines) else OK)


@app.command()
def report(
    destination: Destination = "duckdb",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; leadhouse-YYYY-MM.html here if not given.")
    ] = None,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The newest one that is loaded, if not given.")] = "",
    debug: Debug = False,
    log_json: LogJson = False,
) -> None:
    """Write what happened on the site in a month as one HTML file that needs no network."""
    with _command(debug=debug, log_json=log_json):
        from . import options
        from .report import report as write

        written = write(destination, options.month(month), output)
        printing.plain(f"{written.title}: {written.path}")


@app.command()
def init(
    key: Annotated[
        list[str] | None, typer.Option(metavar="VENDOR=KEY", help="A vendor's key; asked for if not given; repeatable.")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(metavar="VENDOR=ID", help="Only this account of a vendor; repeatable.")
    ] = None,
    start_date: Annotated[
        str | None, typer.Option(metavar="DATE", help="The first day to load; 30 days ago if not given.")
    ] = None,
    destination: Destination = "duckdb",
    postgres_dsn: Annotated[
        str | None, typer.Option(metavar="DSN", help="postgresql://user:password@host:5432/database")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: what is not given is left out.")] = False,
    debug: Debug = False,
    log_json: LogJson = False,
) -> None:
    """Ask for keys and a first day, try them, write .dlt/secrets.toml, and say what the first load will take."""
    with _command(debug=debug, log_json=log_json):
        from sources.clock import Clock

        from . import options
        from .init import Given, pairs
        from .init import init as ask

        warn_of_readers()
        keys = pairs("--key", key or [])
        given = Given(
            keys={vendor: values[-1] for vendor, values in keys.items()},
            accounts=pairs("--account", account or []),
            start=options.day("--start-date", start_date) if start_date else None,
            destination="postgres" if postgres_dsn else destination,
            postgres_dsn=postgres_dsn,
            unattended=yes,
        )
        command = ask(given, _Terminal(), Clock())
        printing.plain(f"\nNow type:\n\n  {command}\n")


@app.command()
def check(
    destination: Destination = "duckdb", max_wait: MaxWait = "2m", debug: Debug = False, log_json: LogJson = False
) -> None:
    """Try each configured vendor's key and the destination."""
    with _command(debug=debug, log_json=log_json):
        from sources.clock import Clock
        from sources.settings import span

        from .check import check as look

        warn_of_readers()
        findings = list(look(destination, Clock(), span("--max-wait", max_wait)))
        for finding in findings:
            mark = {True: "ok  ", False: "FAIL", None: "off "}[finding.ok]
            printing.plain(f"{mark} {finding.subject}: {finding.says}")
        if all(finding.ok is None for finding in findings[:-1]):
            _exit(USAGE)
        _exit(FAILED if any(finding.ok is False for finding in findings) else OK)


@app.command()
def verify(
    vendor: Annotated[str, typer.Argument(metavar="VENDOR")],
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day.")],
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day; today if not given.")] = None,
    stream: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this stream; repeatable.")] = None,
    account: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this account; repeatable.")] = None,
    destination: Destination = "duckdb",
    max_wait: MaxWait = "1h",
    as_json: Json = False,
    debug: Debug = False,
    log_json: LogJson = False,
) -> None:
    """Read some days again, write nothing, and print where vendor and warehouse differ."""
    with _command(debug=debug, log_json=log_json):
        from sources.clock import Clock
        from sources.settings import span

        from . import options
        from .progress import Display
        from .sync import pick
        from .verify import verify as compare
        from .warehouse import Warehouse

        clock = Clock()
        [chosen] = pick([vendor])
        asked = options.asked(first, last, stream, account, clock.now().date())
        patience = span("--max-wait", max_wait)
        warehouse = Warehouse(destination, clock=clock, max_wait=patience)
        with Display(err, quiet=log_json) as display:
            found = compare(warehouse, chosen, asked=asked, clock=clock, max_wait=patience, watch=display.watch)
        if as_json:
            printing.as_json(found.as_dict())
        else:
            for line in found.lines():
                printing.plain(line)
        _exit(found.exit_code)


@app.command()
def recover(
    vendors: Vendors = None,
    destination: Destination = "duckdb",
    max_wait: MaxWait = "1h",
    debug: Debug = False,
    log_json: LogJson = False,
) -> None:
    """Discard load packages that cannot be loaded; the next sync reads their days again."""
    with _command(debug=debug, log_json=log_json):
        from sources.clock import Clock
        from sources.settings import span

        from .recover import recover as clear
        from .warehouse import Warehouse

        warehouse = Warehouse(destination, clock=Clock(), max_wait=span("--max-wait", max_wait))
        for vendor, packages in clear(warehouse, vendors or []).items():
            printing.plain(
                f"{vendor}: {packages} load package(s) cleared" if packages else f"{vendor}: nothing was pending"
            )


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the generated data.")] = 1,
    days: Annotated[int, typer.Option(help="Days of data to generate, ending today.")] = 28,
    accounts: Annotated[int, typer.Option(help="How many accounts the keys can see.")] = 3,
    visits_per_day: Annotated[float, typer.Option(help="Of the biggest account.")] = 40,
    latency: Annotated[float, typer.Option(help="Seconds before each answer.")] = 0.0,
    limits: Annotated[bool, typer.Option(help="Enforce the vendors' rate limits.")] = True,
    today: Annotated[str | None, typer.Option(metavar="DATE", help="The last day of the story.")] = None,
) -> None:
    """Serve the simulated vendors, and print the settings that point a sync at them."""
    from sandbox.__main__ import serve

    try:
        last_day = date.fromisoformat(today) if today else None
    except ValueError:
        raise typer.BadParameter(f"{today!r} is no day; give it as YYYY-MM-DD", param_hint="--today") from None
    serve(
        port=port,
        seed=seed,
        today=last_day,
        days=days,
        accounts=accounts,
        visits_per_day=visits_per_day,
        latency=latency,
        limits=limits,
    )


@app.command()
def demo(debug: Debug = False, log_json: LogJson = False) -> None:
    """Sync the simulated vendors into leadhouse_demo.duckdb, transform, and look at it. No key, no network."""
    with _command(debug=debug, log_json=log_json):
        from sources.clock import Clock

        from .demo import demo as show
        from .progress import Display

        with Display(err, quiet=log_json) as display:
            shown = show(Clock(), display.watch)
        printing.demo(shown)
        _exit(shown.exit_code)


@contextmanager
def _command(*, debug: bool, log_json: bool) -> Iterator[None]:
    """What every command does with errors: one sentence, the right exit code, a traceback only when asked for."""
    from dlt.common.configuration.exceptions import ConfigurationException

    from sources.errors import SettingError, SourceError

    from .progress import log_to

    log_to(err, debug=debug, as_json=log_json)

    def fail(error: BaseException, code: int) -> NoReturn:
        if log_json:
            log.error("%s", printing.sentence(error), exc_info=error if debug else None)
            raise typer.Exit(code) from error
        if debug:
            err.print_exception()
        err.print(f"leadhouse: {printing.sentence(error)}", soft_wrap=True, markup=False, highlight=False)
        raise typer.Exit(code) from error

    try:
        yield
    except (KeyboardInterrupt, typer.Abort):
        if log_json:
            log.error(GOODBYE)
        else:
            err.print(GOODBYE, highlight=False)
        _leave(INTERRUPTED)
    except (SettingError, ConfigurationException) as error:
        fail(error, USAGE)
    except SourceError as error:
        from .warehouse import BusyError

        fail(error, USAGE if isinstance(error, BusyError) else FAILED)
    except typer.Exit:
        raise
    except Exception as error:  # noqa: BLE001 — a mistake of ours is one sentence for the user, too
        fail(error, FAILED)


@contextmanager
def _imports_frozen() -> Iterator[None]:
    """What has been imported stays: nobody looks there for garbage."""
    gc.freeze()
    try:
        yield
    finally:
        # DuckDB complains at the end of what is never let go of
        gc.unfreeze()


class _Terminal:
    """Somebody to ask."""

    def ask(self, question: str, *, secret: bool = False) -> str:
        answer: str = typer.prompt(question, default="", show_default=False, hide_input=secret)
        return answer

    def say(self, text: str) -> None:
        printing.plain(text)


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)


def _leave(code: int) -> NoReturn:
    """Leave at once: to take apart what has been imported takes half a second, and threads may wait for answers yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
