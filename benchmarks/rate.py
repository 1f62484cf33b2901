"""Figure C: how much of the vendor's rate is used when its answers are slow."""

import logging
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from .figures import Figure
from .processes import clean, sync
from .vendor import Story, serve

log = logging.getLogger(__name__)

PER_MINUTE = 100


def rate(folder: Path, minutes: float, latency: float) -> list[Figure]:
    """A first load under the documented limit, ended after so many minutes."""
    # more pages than the limit lets through in that time
    visits = round(PER_MINUTE * minutes * 100)
    story = Story(30, visits, settled=False)
    folder.mkdir(parents=True, exist_ok=True)
    with serve(story, latency=latency, limits=True) as vendor:
        env = clean(folder, vendor.settings(limited=True, start_date=story.first.isoformat()))
        with (folder / "output.txt").open("wb") as sink:
            process = subprocess.Popen(sync(), cwd=folder, env=env, stdout=sink, stderr=sink)  # noqa: S603
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
    allowed = round(PER_MINUTE * minutes)
    busiest = max(Counter(int(each["time"] // 60) for each in within).values())
    compared = f"answers in {minutes:g} minutes, each after {latency:g} s, against what the limit allows"
    return [
        Figure("C", f"{kept:,}", f"{allowed:,}", kept / allowed, compared),
        Figure("C busiest", f"{busiest}", f"{PER_MINUTE}", busiest / PER_MINUTE, "requests of the busiest minute"),
        Figure("C refused", f"{refused}", "0", None, "requests that the vendor refused as too many"),
    ]
