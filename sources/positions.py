"""How far each account and stream is loaded.

The state is dlt's source state: it is committed with the rows it speaks of, in one load package, and comes back
from the warehouse on a machine that has never run before.

    {"loaded":     {account: {stream: ["2026-01-01", "2026-01-31"]}},
     "incomplete": {account: {stream: {"2026-01-17": "why"}}},
     "snapshots":  {account: {stream: digest}},
     "windows":    {account: {stream: {"2026-01-01": "2026-01-05"}}}}

The last are the calendar windows that a backfill has read, and from which day on.

A stream without accounts stands under the account "".
"""

from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from datetime import date
from typing import Any

from .windows import ONE_DAY, Days

State = MutableMapping[str, Any]


class Positions:
    """Reads and moves the positions of one vendor in `state`."""

    def __init__(self, state: State) -> None:
        self._loaded: State = state.setdefault("loaded", {})
        self._incomplete: State = state.setdefault("incomplete", {})
        self._snapshots: State = state.setdefault("snapshots", {})
        self._windows: State = state.setdefault("windows", {})

    def is_new(self, account: str | None, stream: str, digest: str) -> bool:
        """Whether a snapshot differs from the one that was loaded last; it is the last one from now on."""
        known = self._snapshots.setdefault(account or "", {})
        before, known[stream] = known.get(stream), digest
        return bool(before != digest)

    def parts(self, account: str, stream: str) -> list[str]:
        """The parts of which a snapshot is loaded."""
        prefix = f"{stream}/"
        return [name.removeprefix(prefix) for name in self._snapshots.get(account, {}) if name.startswith(prefix)]

    def loaded(self, account: str | None, stream: str) -> Days | None:
        """The days that are loaded without a gap, or None."""
        bounds = self._loaded.get(account or "", {}).get(stream)
        return Days(date.fromisoformat(bounds[0]), date.fromisoformat(bounds[1])) if bounds else None

    def advance(self, account: str | None, stream: str, days: Days) -> None:
        """Take `days` to what is loaded; days beyond a gap are refused, so that a gap is never skipped."""
        before = self.loaded(account, stream)
        if before is not None:
            if days.first > before.last + ONE_DAY or days.last < before.first - ONE_DAY:
                raise ValueError(f"{account}/{stream}: {days} does not join the loaded {before}")
            days = Days(min(days.first, before.first), max(days.last, before.last))
        self._loaded.setdefault(account or "", {})[stream] = [days.first.isoformat(), days.last.isoformat()]

    def reach(self, account: str | None, stream: str, days: Days) -> None:
        """Take `days` to what is loaded of a stream that is read whole: what lies between is loaded as well."""
        before = self.loaded(account, stream) or days
        self._loaded.setdefault(account or "", {})[stream] = [
            min(days.first, before.first).isoformat(),
            max(days.last, before.last).isoformat(),
        ]

    def begin_window(self, account: str, stream: str, window: date, first: date) -> None:
        """A backfill has read a calendar window from this day on."""
        known = self._windows.setdefault(account, {}).setdefault(stream, {})
        known[window.isoformat()] = min(first.isoformat(), known.get(window.isoformat(), first.isoformat()))

    def begun_windows(self, account: str, stream: str) -> dict[date, date]:
        """The calendar windows that backfills have read, by their first day: from which day on."""
        known = self._windows.get(account, {}).get(stream, {})
        return {date.fromisoformat(window): date.fromisoformat(first) for window, first in known.items()}

    def all_begun(self) -> Iterator[tuple[str, str, date, date]]:
        """Every (account, stream, window, first day)."""
        for account, streams in self._windows.items():
            for stream in streams:
                for window, first in self.begun_windows(account, stream).items():
                    yield account, stream, window, first

    def incomplete(self, account: str, stream: str) -> list[date]:
        """The days that a vendor's limit kept from us, oldest first."""
        return sorted(map(date.fromisoformat, list(self._incomplete.get(account, {}).get(stream, {}))))

    def mark_incomplete(self, account: str, stream: str, day: date, reason: str) -> None:
        self._incomplete.setdefault(account, {}).setdefault(stream, {})[day.isoformat()] = reason

    def mark_complete(self, account: str, stream: str, days: Days) -> None:
        """Days that have been read in full are no longer incomplete."""
        listed = self._incomplete.get(account, {}).get(stream, {})
        # reports come on a thread of their own, and mark days of leads as well
        for day in [day for day in list(listed) if date.fromisoformat(day) in days]:
            listed.pop(day, None)

    def all_loaded(self) -> Iterator[tuple[str | None, str, Days]]:
        """Every (account, stream, days)."""
        for account, streams in self._loaded.items():
            for stream in streams:
                if (days := self.loaded(account, stream)) is not None:
                    yield account or None, stream, days

    def spans(self) -> dict[tuple[str | None, str], Days]:
        """By account and stream, the days that are loaded of all its parts."""
        found = defaultdict[tuple[str | None, str], list[Days]](list)
        for account, part, days in self.all_loaded():
            found[account, part.partition("/")[0]].append(days)
        bounds = {key: (max(d.first for d in spans), min(d.last for d in spans)) for key, spans in found.items()}
        # a part that was given up may end before another begins
        return {key: Days(first, last) for key, (first, last) in bounds.items() if first <= last}

    def all_incomplete(self) -> Iterator[tuple[str, str, date, str]]:
        """Every (account, stream, day, reason)."""
        for account, streams in self._incomplete.items():
            for stream, days in streams.items():
                for day, reason in days.items():
                    yield account, stream, date.fromisoformat(day), reason
