"""How a sync looks while it runs: bars on a terminal, log lines or JSON objects elsewhere."""

import json
import logging
import re
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from .vendors import VENDORS

if TYPE_CHECKING:
    from sources.runs import Run


class Display:
    """One line per vendor on a terminal; nothing at all elsewhere or with `quiet`, where the log speaks."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            _Counts(),
            TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )

    def watch(self, vendor: str, run: "Run") -> None:
        """Show the run's line from now on."""
        self._progress.add_task(vendor, total=None, run=run)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class _Counts(ProgressColumn):
    """What the run has done so far, read from the run itself at every refresh."""

    def render(self, task: Task) -> Text:
        run: Run = task.fields["run"]
        done = sum(lane.finished_at is not None for lane in run.lanes)
        rows = sum(lane.rows for lane in run.lanes)
        total = run.session.total
        text = f"{done}/{len(run.lanes)} streams  {rows:,} rows  {total.requests:,} requests"
        if total.seconds_waited:
            text += f"  {total.seconds_waited:,.0f} s waited"
        return Text(text)


class JsonLines(logging.Formatter):
    """One JSON object per log line, with the vendor where the line is about one."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
        }
        # lines begin with the vendor's name, or come from its package
        words = re.findall(r"\w+", message.removeprefix("skipped: "))[:1] + record.name.split(".")
        if vendor := next((word for word in words if word in VENDORS), None):
            line["vendor"] = vendor
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to(console: Console, *, debug: bool, as_json: bool = False) -> None:
    """Send log lines to the console: above the bars on a terminal, plain and dated elsewhere, or as JSON anywhere."""
    root = logging.getLogger()
    level = logging.DEBUG if debug else logging.INFO
    handler: logging.Handler
    if as_json:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(JsonLines())
        logging.captureWarnings(capture=True)
    elif console.is_terminal:
        from rich.logging import RichHandler

        handler = RichHandler(console=console, show_path=False, markup=False)
        level = logging.DEBUG if debug else logging.WARNING
    else:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for ours in ("sources", "pipelines"):
        logging.getLogger(ours).setLevel(level)
