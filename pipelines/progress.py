"""How a sync looks while it runs: bars on a terminal, log lines elsewhere."""

import logging
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from sources.runs import Run


class Display:
    """One line per vendor on a terminal; nothing at all elsewhere, where the log speaks."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            _Counts(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def watch(self, vendor: str, run: Run) -> None:
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


def log_to(console: Console, *, debug: bool) -> None:
    """Send log lines to the console: above the bars on a terminal, plain and dated elsewhere."""
    root = logging.getLogger()
    level = logging.DEBUG if debug else logging.INFO
    handler: logging.Handler
    if console.is_terminal:
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
