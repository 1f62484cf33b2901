"""Rate limits, counted the vendors' way."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass
class FixedWindow:
    """So many requests between two turns of the wall clock; the count starts anew at each turn. None: no limit."""

    limit: int | None
    seconds: float
    clock: Callable[[], float]
    _turn: int = -1
    _used: dict[str, int] = field(default_factory=dict)

    def admit(self, key: str) -> bool:
        turn = int(self.clock() // self.seconds)
        if turn != self._turn:
            self._turn, self._used = turn, {}
        self._used[key] = self._used.get(key, 0) + 1
        return self.limit is None or self._used[key] <= self.limit

    def left(self, key: str) -> int:
        """How many more requests this turn admits; 0 when there is no limit to count down from."""
        return max(0, (self.limit or 0) - self._used.get(key, 0))

    @property
    def next_turn(self) -> float:
        return (self._turn + 1) * self.seconds


@dataclass
class TokenBucket:
    """So many requests a second, and as many at once as the bucket holds. None: no limit."""

    rate: float | None
    burst: int
    clock: Callable[[], float]
    _level: float = math.inf
    _looked: float = 0.0

    def admit(self) -> bool:
        if self.rate is None:
            return True
        now = self.clock()
        self._level = min(self.burst, self._level + (now - self._looked) * self.rate)
        self._looked = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


@dataclass
class MonthlyQuota:
    """So many requests a calendar month, UTC; `used` is this month's count. None: no limit."""

    limit: int | None
    clock: Callable[[], float]
    used: int = 0
    _month: tuple[int, int] | None = None

    def admit(self) -> bool:
        today = datetime.fromtimestamp(self.clock(), UTC)
        month = (today.year, today.month)
        if self._month not in (None, month):
            self.used = 0
        self._month = month
        if self.limit is not None and self.used >= self.limit:
            return False
        self.used += 1
        return True
