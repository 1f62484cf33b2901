"""What a first load will take, from what the vendor itself counts in one week.

A few cheap requests for each of a few accounts tell how much a day and a month bring; the rest is the documented rate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from .runs import Run
from .streams import Account
from .windows import Days, calendar

WEEK = 7
ACCOUNTS = 10


@dataclass(frozen=True)
class Load:
    """Requests of an account (or a vendor): once, for each day, for each month; and its exports for each month.

    With `capped`, the vendor did not count further: it is at least so much.
    """

    once: float = 0
    per_day: float = 0
    per_month: float = 0
    exports_per_month: float = 0
    capped: bool = False

    def __add__(self, other: "Load") -> "Load":
        return Load(
            self.once + other.once,
            self.per_day + other.per_day,
            self.per_month + other.per_month,
            self.exports_per_month + other.exports_per_month,
            self.capped or other.capped,
        )

    def times(self, factor: float) -> "Load":
        """The same for so many accounts like it."""
        return Load(
            self.once * factor,
            self.per_day * factor,
            self.per_month * factor,
            self.exports_per_month * factor,
            self.capped,
        )


@dataclass(frozen=True)
class FirstLoad:
    """An estimate: `per_second` is the rate of requests, `exports_per_second` that of export requests.

    `counted` says in a sentence what was counted.
    """

    load: Load
    per_second: float
    counted: str
    exports_per_second: float = math.inf

    def requests(self, days: Days) -> int:
        """How many requests the days take."""
        load, months = self.load, len(calendar(days, "month"))
        return math.ceil(load.once + load.per_day * len(days) + load.per_month * months)

    def seconds(self, days: Days) -> float:
        """How long the days take where nothing but the vendor's limit holds the load up."""
        exports = self.load.exports_per_month * len(calendar(days, "month"))
        return max(self.requests(days) / self.per_second, exports / self.exports_per_second)


def of_accounts(run: Run, load_of: Callable[[Account, Days], Load]) -> tuple[Load, str]:
    """The load of all accounts of a run, from a few of them; and what was counted.

    `load_of` is asked for the load of an account, by what a week up to yesterday has brought.
    """
    asked = run.accounts[:ACCOUNTS]
    found = sum((load_of(account, _week(run, account)) for account in asked), Load())
    some = f"{len(asked)} of {len(run.accounts)} accounts" if len(asked) < len(run.accounts) else "each account"
    return found.times(len(run.accounts) / max(len(asked), 1)), f"the last {WEEK} days of {some}"


def pages(rows: float, size: int) -> int:
    """The requests that a list of so many rows takes: one where it is empty, too."""
    return max(math.ceil(rows / size), 1)


def _week(run: Run, account: Account) -> Days:
    today = run.due.today(account)
    return Days(today - timedelta(days=WEEK), today - timedelta(days=1))
