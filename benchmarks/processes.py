"""Processes that are measured: each in an empty folder, start included."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
LEADHOUSE = str(Path(sys.executable).with_name("leadhouse"))


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds on the wall and of CPU, bytes of memory at its peak."""

    wall: float
    cpu: float
    peak: float


def measure(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command in `folder`; raises RuntimeError with the end of its output where it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    result, output = folder / "took.json", folder / "output.txt"
    launcher = [sys.executable, "-I", "-S", str(HERE / "timed.py"), str(result)]
    with output.open("wb") as sink:
        subprocess.run(  # noqa: S603 — our own commands
            [*launcher, *command], cwd=folder, env=clean(folder, env), stdout=sink, stderr=sink, check=True
        )
    took = json.loads(result.read_text())
    if took["code"]:
        raise RuntimeError(f"{' '.join(command)} exited {took['code']}:\n{output.read_text()[-2000:]}")
    return Cost(took["wall"], took["cpu"], took["peak"])


def clean(folder: Path, env: Mapping[str, str] | None) -> dict[str, str]:
    """An environment with no settings but those given, and no memory of other runs; modules are compiled once."""
    ours = ("SOURCES__", "DESTINATION__", "CREDENTIALS", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own = {
        "HOME": str(folder),
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    if sys.dont_write_bytecode or sys.pycache_prefix:
        own["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix or str(folder.parent / "bytecode")
    return {**kept, **own, **(env or {})}


def python(*arguments: str) -> list[str]:
    """The interpreter that runs us."""
    return [sys.executable, *arguments]


def script(name: str, *arguments: str) -> list[str]:
    """A script of this folder."""
    return python(str(HERE / name), *arguments)


def sync(*arguments: str, vendor: str = "leadfeeder_legacy") -> list[str]:
    """Ours."""
    return [LEADHOUSE, "sync", vendor, *arguments]


def wall(costs: Sequence[Cost]) -> float:
    """The median."""
    return median(cost.wall for cost in costs)


def cpu(costs: Sequence[Cost]) -> float:
    """The median."""
    return median(cost.cpu for cost in costs)


def peak(costs: Sequence[Cost]) -> float:
    """The median."""
    return median(cost.peak for cost in costs)
