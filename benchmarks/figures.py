"""What is printed: one line a figure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .processes import Cost, wall


@dataclass(frozen=True)
class Figure:
    """Ours, what it is held against, and how many times ours is of it. `compared` says what that was."""

    name: str
    ours: str
    reference: str
    ratio: float | None
    compared: str


def times(name: str, ours: Sequence[Cost], reference: Sequence[Cost], compared: str) -> Figure:
    """Two processes by the wall."""
    return Figure(name, f"{wall(ours):.2f} s", f"{wall(reference):.2f} s", wall(ours) / wall(reference), compared)


def show(figures: Sequence[Figure], facts: dict[str, Any], *, as_json: bool) -> None:
    """Print them."""
    if as_json:
        Console(soft_wrap=True).out(
            json.dumps({"facts": facts, "figures": [asdict(figure) for figure in figures]}, indent=2), highlight=False
        )
        return
    console = Console()
    for name, fact in facts.items():
        console.print(f"{name}: {fact}", markup=False, highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("figure", no_wrap=True)
    for column in ("ours", "reference", "ratio"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("compared", overflow="fold")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        table.add_row(figure.name, figure.ours, figure.reference, ratio, figure.compared)
    console.print(table)
