"""What the commands print: tables for people, one JSON object for programs."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .demo import Shown
    from .status import StreamStatus
    from .sync import Summary
    from .transform import Transformed

# in a file or a pipe a table is as wide as it needs to be
out = Console(width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True)


def plain(text: str) -> None:
    """A line as it is, however long."""
    out.print(text, soft_wrap=True, markup=False, highlight=False)


def as_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, default=str) + "\n")


def sentence(error: BaseException) -> str:
    """What an error says, in one line."""
    from dlt.common.configuration.providers.toml import TomlProviderReadException

    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, TomlProviderReadException):
        files = " or ".join(str(Path(path)) for path in error.full_paths if Path(path).exists())
        return f"{files} cannot be read: {lines[-1]}; fix it, or move it elsewhere"
    # a first line that ends in a colon says what, the next one why
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def table(*columns: str, numbers: tuple[str, ...] = ("rows", "requests")) -> Table:
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def summary(of: "Summary") -> None:
    """A line per stream, and a note on each that is off, skipped, incomplete or failed."""
    shown = table("vendor", "account", "stream", "days", "status", "rows", "requests")
    notes = [f"{name} is off: set {setting} to turn it on" for name, setting in of.off.items()]
    for vendor in of.vendors:
        if vendor.error:
            notes.append(vendor.error)
        for stream in vendor.streams:
            days = f"{stream.window_start} … {stream.window_end}" if stream.window_start else ""
            shown.add_row(
                vendor.vendor,
                Text(stream.account_id or ""),
                stream.stream,
                days,
                stream.status,
                f"{stream.rows:,}",
                f"{stream.requests:,}",
            )
            if stream.error:
                notes.append(f"{stream.status}: {stream.error}")
            whose = f", account {stream.account_id}" if stream.account_id else ""
            notes += [f"{vendor.vendor}{whose}, {stream.stream}: {note}" for note in stream.notes]
    if shown.row_count:
        out.print(shown)
    for note in notes:
        plain(note)


def status(lines: "list[StreamStatus]") -> None:
    """A line per stream; below them, what is stale and which export requests are pending."""
    shown = table("vendor", "account", "stream", "loaded", "rows", "last run", "incomplete days")
    for line in lines:
        last = f"{line.last_run_at:%Y-%m-%d %H:%M} {line.last_run_status}" if line.last_run_at else ""
        shown.add_row(
            line.vendor,
            Text(line.account_id or ""),
            line.stream,
            f"{line.loaded_from} … {line.loaded_until}" if line.loaded_until else "",
            f"{line.rows:,}",
            f"{last}, stale" if line.stale else last,
            ", ".join(line.incomplete_days),
        )
    out.print(shown)
    for line in lines:
        if line.stale:
            plain(line.complaint)
        for request in line.pending:
            plain(f"export request of account {line.account_id}: {request}")


def models(built: "Transformed") -> None:
    """A line per model, and the words of each test that failed."""
    shown = table("model", "rows", "tests", "status")
    for model in built.models:
        passed = model.tests - model.tests_failed
        shown.add_row(
            model.model,
            "" if model.rows is None else f"{model.rows:,}",
            f"{passed} of {model.tests} passed",
            "ok" if model.status == "success" else model.status,
        )
    if shown.row_count:
        out.print(shown)
    for error in built.every_error:
        plain(error)


def demo(shown: "Shown") -> None:
    """What has been loaded, a few answers, and how to go on."""
    tables = table("table", "rows", numbers=("rows",))
    for name, rows in shown.tables:
        tables.add_row(name, f"{rows:,}")
    out.print(tables)
    for question, answer in shown.findings:
        out.print(f"[bold]{question}[/bold] {answer}", highlight=False)
    out.print(
        f"\nAll of it is in {shown.database.name}. With a key of your own:\n\n"
        "  export SOURCES__LEADFEEDER_LEGACY__API_TOKEN=…\n"
        "  leadhouse check\n"
        "  leadhouse sync\n",
        markup=False,
        highlight=False,
    )
    for error in shown.built.every_error:
        plain(error)
