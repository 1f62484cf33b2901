"""Figure C: how much of the vendors' rates is used when their answers are slow."""

import logging
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .figures import Figure
from .processes import clean, sync
from .vendor import PAGE, Story, serve

log = logging.getLogger(__name__)

# so many requests within so many seconds, as the vendors document it
LIMITS = {"leadfeeder_legacy": (100, 60), "leadfeeder": (10, 1)}
# after so many requests the vendor has made what it will be asked for
WARM = 60


def rate(folder: Path, minutes: float, latency: float, vendors: frozenset[str]) -> list[Figure]:
    """First loads under the documented limits, each ended after so many minutes."""
    return [figure for vendor in sorted(vendors) for figure in _rate(folder / vendor, vendor, minutes, latency)]


def _rate(folder: Path, name: str, minutes: float, latency: float) -> list[Figure]:
    log.info("%s: %g minutes", name, minutes)
    requests, seconds = LIMITS[name]
    allowed = round(requests * minutes * 60 / seconds)
    # more pages than the limit lets through in that time
    story = Story(90, PAGE * allowed, settled=False)
    with serve(story, latency=latency, limits=True, name=name) as vendor:
        env = vendor.settings(limited=True, start_date=story.first.isoformat())
        # the vendor makes its story when it is first asked
        with _sync(folder / "warm", name, env) as process:
            _wait(process, lambda: len(vendor.requests()) >= WARM)
        time.sleep(seconds)
        vendor.forget()
        with _sync(folder / "rate", name, env) as process:
            _wait(process, lambda: bool(vendor.requests()))
            # what was asked for in the last moment has its answer, too
            deadline = time.monotonic() + minutes * 60 + latency + 1
            _wait(process, lambda: time.monotonic() >= deadline)
        seen = vendor.requests()
    started = seen[0]["time"]
    within = [each for each in seen if each["time"] < started + minutes * 60]
    kept = sum(each["status"] == 200 for each in within)
    refused = sum(each["status"] == 429 for each in within)
    busiest = max(Counter(int(each["time"] // seconds) for each in within).values())
    compared = f"answers in {minutes:g} minutes, each after {latency:g} s, against what the limit allows"
    busy = f"requests of the busiest {seconds} s"
    return [
        Figure(f"C {name}", f"{kept:,}", f"{allowed:,}", kept / allowed, compared),
        Figure(f"C {name} busiest", f"{busiest}", f"{requests}", busiest / requests, busy),
        Figure(f"C {name} refused", f"{refused}", "0", None, "requests that the vendor refused as too many"),
    ]


@contextmanager
def _sync(folder: Path, vendor: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A sync, until the block is left."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("wb") as sink:
        command = sync(vendor=vendor)
        process = subprocess.Popen(command, cwd=folder, env=clean(folder, env), stdout=sink, stderr=sink)  # noqa: S603
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], done: Callable[[], bool]) -> None:
    while process.poll() is None and not done():
        time.sleep(1)
