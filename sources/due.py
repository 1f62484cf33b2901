"""Which days and calendar windows of an account are due."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from .clock import Clock
from .streams import Account
from .windows import Days, Unit, calendar, since, today

Begun = Mapping[date, date]


@dataclass(frozen=True)
class Due:
    """What a run is to read, by what is loaded already.

    `beginning` is the configured first day, `lookback` the days that are read again, `unit` the calendar window, and
    `asked` the days of a backfill, which are due whatever is loaded.
    """

    clock: Clock
    beginning: date | None
    lookback: int
    unit: Unit
    asked: Days | None

    def today(self, account: Account) -> date:
        """The account's calendar day, now."""
        return today(self.clock.now(), account.zone)

    def start(self, account: Account) -> date:
        """Where an account that was never loaded begins."""
        return self.beginning or self.today(account) - timedelta(days=30)

    def days(self, account: Account, loaded: Days | None) -> Days | None:
        """The days of the backfill that have begun, or what is new since `loaded`."""
        today = self.today(account)
        if self.asked is not None:
            return Days(self.asked.first, min(self.asked.last, today)) if self.asked.first <= today else None
        return since(loaded, self.start(account), self.lookback, today)

    def windows(self, account: Account, loaded: Days | None, begun: Begun) -> dict[date, Days]:
        """The calendar windows that are due or touched by a backfill, oldest first.

        By the first day of each, the days to ask for: it is cut off at the start of what is loaded and at today. One
        that was `begun` earlier begins there: what a backfill has brought is not cut off again.
        """
        due = self.days(account, loaded)
        return self._cut(account, loaded, begun, due) if due else {}

    def windows_of(self, account: Account, loaded: Days | None, begun: Begun, days: Iterable[date]) -> dict[date, Days]:
        """The calendar windows of some days, in the same form."""
        cut = (self._cut(account, loaded, begun, Days(day, day)) for day in sorted(days))
        return {first: window for windows in cut for first, window in windows.items()}

    def _cut(self, account: Account, loaded: Days | None, begun: Begun, days: Days) -> dict[date, Days]:
        start = loaded.first if loaded else self.start(account)
        until = self.today(account)
        found = {}
        for window in calendar(days, self.unit):
            first = window.first if window.last < start else max(window.first, min(start, days.first))
            first = min(first, begun.get(window.first, first))
            last = min(window.last, until)
            if first <= last:
                found[window.first] = Days(first, last)
        return found
