"""Figure C: how much of the vendors' rates is used when their answers are slow."""

import logging
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .figures import Figure
from .processes import clean, sync
from .vendor import PAGE, Story, serve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limit:
    """So many requests within so many seconds, as the vendor documents it."""

    vendor: str
    requests: int
    seconds: int


LIMITS = (Limit("leadfeeder_legacy", 100, 60), Limit("leadfeeder", 10, 1))


def rate(folder: Path, minutes: float, latency: float, vendors: frozenset[str]) -> list[Figure]:
    """First loads under the documented limits, each ended after so many minutes."""
    return [
        figure
        for limit in LIMITS
        if limit.vendor in vendors
        for figure in _rate(folder / limit.vendor, limit, minutes, latency)
    ]


def _rate(folder: Path, limit: Limit, minutes: float, latency: float) -> list[Figure]:
    log.info("%s: %g minutes", limit.vendor, minutes)
    allowed = round(limit.requests * minutes * 60 / limit.seconds)
    # more pages than the limit lets through in that time
    story = Story(30, PAGE * allowed, settled=False)
    folder.mkdir(parents=True, exist_ok=True)
    with serve(story, latency=latency, limits=True, name=limit.vendor) as vendor:
        env = clean(folder, vendor.settings(limited=True, start_date=story.first.isoformat()))
        with (folder / "output.txt").open("wb") as sink:
            command = sync(vendor=limit.vendor)
            process = subprocess.Popen(command, cwd=folder, env=env, stdout=sink, stderr=sink)  # noqa: S603
            deadline = time.monotonic() + minutes * 60 + 20
            while time.monotonic() < deadline and process.poll() is None:
                time.sleep(1)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()
        seen = vendor.requests()
    started = seen[0]["time"]
    within = [each for each in seen if each["time"] < started + minutes * 60]
    kept = sum(each["status"] == 200 for each in within)
    refused = sum(each["status"] == 429 for each in within)
    busiest = max(Counter(int(each["time"] // limit.seconds) for each in within).values())
    compared = f"answers in {minutes:g} minutes, each after {latency:g} s, against what the limit allows"
    span = "minute" if limit.seconds == 60 else "second"
    name = f"C {limit.vendor}"
    return [
        Figure(name, f"{kept:,}", f"{allowed:,}", kept / allowed, compared),
        Figure(f"{name} busiest", f"{busiest}", f"{limit.requests}", busiest / limit.requests, f"of a {span}"),
        Figure(f"{name} refused", f"{refused}", "0", None, "requests that the vendor refused as too many"),
    ]
