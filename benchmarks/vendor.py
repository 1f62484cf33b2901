"""The simulated vendor, in a process of its own, and what it can say of itself."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from sandbox import World

ROOT = Path(__file__).parent.parent
NAME = "leadfeeder_legacy"
ACCOUNT = "6001"
PAGE = 100
# a weekday is busier than the mean, and every 28 days there is a rush
VISITS_PER_MEAN_VISIT = 1.058
# a look for garbage among a million visits would hold up its answers for a second or two
SANDBOX = "import gc; gc.disable(); from sandbox.__main__ import main; main()"


@dataclass(frozen=True)
class Story:
    """What the vendor has to tell. With `settled` it ends before yesterday, so that no answer changes any more."""

    days: int
    visits: int
    accounts: int = 1
    settled: bool = True

    @property
    def visits_per_day(self) -> float:
        return round(self.visits / self.days / VISITS_PER_MEAN_VISIT, 2)

    @property
    def last(self) -> date:
        return datetime.now(UTC).date() - timedelta(days=3 if self.settled else 0)

    @property
    def first(self) -> date:
        return self.last - timedelta(days=self.days - 1)

    def world(self) -> World:
        """The same story, told in this process: for counting."""
        return World(
            today=self.last if self.settled else None,
            days=self.days,
            accounts=self.accounts,
            visits_per_day=self.visits_per_day,
        )


class Vendor:
    """A running vendor."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._prefix = _prefix(name)
        every: dict[str, str] = self._ask("settings")
        self._settings = {name: value for name, value in every.items() if name.startswith(self._prefix)}
        self._ask("options", {"vendor": name, "cached_pages": 1_000_000})

    def settings(self, *, limited: bool = False, **more: str) -> dict[str, str]:
        """What points a sync at it; without `limited`, which is for the token API, also a rate that nobody reaches."""
        env = dict(self._settings)
        if self._name == NAME:
            # exports are not part of any figure
            more.setdefault("export_feeds", "[]")
        if not limited:
            more.setdefault("requests_per_minute", "100000000")
        return env | {f"{self._prefix}{name.upper()}": value for name, value in more.items()}

    def requests(self) -> list[dict[str, Any]]:
        """What it was asked since `forget`."""
        seen: list[dict[str, Any]] = self._ask("requests")
        return [each for each in seen if each["vendor"] == self._name]

    def exports(self, **options: int) -> None:
        """Change what its export requests do."""
        self._ask("options", {"vendor": self._name, "exports": options})

    def forget(self) -> None:
        self._ask("clear_requests", {})

    def plan(self, asked: list[dict[str, Any]]) -> dict[str, Any]:
        """The same requests, for another process to make: `path` and `query` of each."""
        return {
            "url": self._settings[f"{self._prefix}BASE_URL"],
            "headers": {"Authorization": f"Token token={self._settings[f'{self._prefix}API_TOKEN']}"},
            "paths": [f"{each['path']}?{urlencode(each['query'])}".rstrip("?") for each in asked],
        }

    def _ask(self, what: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self._url}/_sandbox/{what}", data), timeout=60) as answer:  # noqa: S310 — our own server
            return json.load(answer)


@contextmanager
def serve(story: Story, *, latency: float = 0.0, limits: bool = False, name: str = NAME) -> Iterator[Vendor]:
    """The vendor on a free port, until the block is left."""
    command = [sys.executable, "-c", SANDBOX, "--accounts", str(story.accounts), "--days", str(story.days)]
    command += ["--visits-per-day", str(story.visits_per_day), "--latency", str(latency)]
    command += ["--today", story.last.isoformat()] if story.settled else []
    command += [] if limits else ["--no-limits"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            marker = f"export {_prefix(name)}BASE_URL="
            url = next((line.strip().removeprefix(marker) for line in process.stdout if line.startswith(marker)), None)
            if url is None:
                raise RuntimeError("the sandbox did not start")
            # some vendors' addresses have a path of their own behind their name
            yield Vendor(url.strip("'").partition(f"/{name}")[0], name)
        finally:
            process.kill()


def _prefix(name: str) -> str:
    return f"SOURCES__{name.upper()}__"


def fewest(world: World, first: date, last: date) -> list[dict[str, Any]]:
    """The fewest requests by which the documented paging shows an account and its days.

    One for the accounts, the script and the feeds each; the pages of each day's leads, whose figures are those of the
    interval; the pages of the visits as one range, for which no ceiling is documented.
    """
    account = f"/accounts/{ACCOUNT}"
    singles = ["/accounts", f"{account}/website-tracking-script", f"{account}/custom-feeds"]
    asked = [{"path": path, "query": {}} for path in singles]
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        asked += _pages(f"{account}/leads", day, day, len(world.window(ACCOUNT, day, day).leads))
    asked += _pages(f"{account}/visits", first, last, len(world.window(ACCOUNT, first, last).visits))
    return asked


def _pages(path: str, first: date, last: date, rows: int) -> list[dict[str, Any]]:
    days = {"start_date": first.isoformat(), "end_date": last.isoformat(), "page[size]": PAGE}
    return [{"path": path, "query": {**days, "page[number]": n + 1}} for n in range(max(ceil(rows / PAGE), 1))]
