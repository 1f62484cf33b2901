"""Days, zones, halves: pure functions on values.

Every window is closed on both ends, as the vendors' `start_date` and `end_date` are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pendulum

ONE_DAY = timedelta(days=1)
# by the number of digits, what a second is in a number that stands for an instant
EPOCH = {10: 1, 13: 1000}


@dataclass(frozen=True, order=True)
class Days:
    """The days from `first` to `last`, both inclusive."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"{self.first} lies after {self.last}")

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(len(self)))

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}…{self.last}"

    def parts(self, count: int) -> list["Days"]:
        """Cut into `count` runs of days of nearly equal length, or into single days if there are fewer."""
        count = min(max(count, 1), len(self))
        bounds = [len(self) * n // count for n in range(count + 1)]
        return [
            Days(self.first + timedelta(days=start), self.first + timedelta(days=end - 1))
            for start, end in pairwise(bounds)
        ]


def parse_day(text: object) -> date:
    """A calendar day from `YYYY-MM-DD` or a date; raises ValueError."""
    if isinstance(text, datetime):
        return text.date()
    if isinstance(text, date):
        return text
    return date.fromisoformat(str(text).strip())


def parse_instant(text: str) -> datetime:
    """An instant in UTC from any ISO 8601 form the vendors use; without an offset it is read as UTC.

    So are the seconds or milliseconds since 1970.
    """
    if text.isdecimal() and len(text) in EPOCH:
        return datetime.fromtimestamp(int(text) / EPOCH[len(text)], UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # rarer forms; pendulum knows them all but takes ten times as long, and "now" and a mere time of day besides
        parsed = pendulum.parse(text, exact=True) if text[:1].isdigit() else None
        if not isinstance(parsed, datetime):
            raise ValueError(f"{text!r} is not an instant") from None
        moment = parsed
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@cache
def _zone_names() -> dict[str, str]:
    return {name.lower(): name for name in pendulum.timezones()}


@cache
def timezone(name: str | None) -> ZoneInfo | None:
    """The zone of that name, whatever its case; None where no such zone is known."""
    try:
        return ZoneInfo(_zone_names()[(name or "").strip().lower()])
    except (KeyError, ZoneInfoNotFoundError):
        return None


def today(now: datetime, zone: ZoneInfo | None) -> date:
    """The calendar day at `now` in `zone` (UTC where the zone is unknown)."""
    return now.astimezone(zone or UTC).date()


def cover(days: Days, zone: ZoneInfo | None) -> Days:
    """The days to ask for so that `days` of `zone` come whole, whether the vendor bounds days by `zone` or by UTC.

    An unknown zone is overlapped by a day on either side.
    """
    if zone is None:
        return Days(days.first - ONE_DAY, days.last + ONE_DAY)
    start = datetime.combine(days.first, time.min, zone).astimezone(UTC)
    end = datetime.combine(days.last + ONE_DAY, time.min, zone).astimezone(UTC)
    last = (end - timedelta(microseconds=1)).date()
    return Days(min(days.first, start.date()), max(days.last, last))


@cache
def beside_utc(day: date) -> tuple[int, ...]:
    """Of every zone, whether its clock is ahead of UTC's as a day begins (1), behind it (-1), or neither."""
    midnight = datetime.combine(day, time.min)
    offsets = (midnight.replace(tzinfo=timezone(name)).utcoffset() or timedelta() for name in _zone_names())
    return tuple((offset > timedelta()) - (offset < timedelta()) for offset in offsets)


def beside(days: Days, wide: Days) -> list[Days]:
    """What of `wide` lies before `days`, and what after them."""
    found = []
    if wide.first < days.first:
        found.append(Days(wide.first, days.first - ONE_DAY))
    if days.last < wide.last:
        found.append(Days(days.last + ONE_DAY, wide.last))
    return found


Unit = Literal["month", "week", "day"]


def calendar(days: Days, unit: Unit) -> list[Days]:
    """The whole calendar windows that `days` touches, oldest first; weeks begin on Monday."""
    windows = []
    first = pendulum.date(days.first.year, days.first.month, days.first.day).start_of(unit)
    while first <= days.last:
        last = first.end_of(unit)
        windows.append(Days(date(first.year, first.month, first.day), date(last.year, last.month, last.day)))
        first = last.add(days=1)
    return windows


def since(loaded: Days | None, start: date, lookback: int, until: date) -> Days | None:
    """What an incremental run reads: `lookback` days before the last loaded one up to `until`.

    Where nothing is loaded yet it begins at `start`. It never reaches back before the first loaded day, and is
    None where there is nothing to read.
    """
    first = start
    if loaded is not None:
        first = max(loaded.first, min(loaded.last, until) - timedelta(days=lookback))
    return Days(first, until) if first <= until else None
