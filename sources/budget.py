"""One rate budget per secret, shared by every thread that uses it, and by every machine that has the same database.

Rates are windows that slide (pyrate-limiter's log of requests), a hundredth longer than documented, so that a request
that was delayed on its way never falls into the vendor's next window as one too many. What a vendor's answer says is
left can only lower the budget.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pyrate_limiter import AbstractBucket, InMemoryBucket, Rate, RateItem

from .clock import Clock
from .errors import LimitError, QuotaError, SourceError
from .shared_budget import LOOK_AGAIN, AwayError, SharedDatabase

MARGIN = 1.01


@dataclass(frozen=True)
class Limit:
    """At most `requests` in any span of `per`."""

    requests: int
    per: timedelta


class Counter(Protocol):
    """Where the requests of the last windows are counted."""

    def turn(self, *, alone: bool = True) -> AbstractContextManager[tuple[AbstractBucket, int]]:
        """The bucket and its clock's time in milliseconds; with `alone`, nobody else takes from it meanwhile."""

    def close(self) -> None: ...


class Budget:
    """What one secret may ask for.

    `patience` bounds the time that a run waits for its turn, all its waits together; what several threads wait at once
    counts once. `quota` tells, when it is first needed, how many requests are left of a quota that outlasts the run.
    With `shared`, the limits hold for all budgets of this `kind` in that database, together; what an answer says is
    left, or how long to wait, is heard by the one that asked.
    """

    def __init__(
        self,
        *limits: Limit,
        clock: Clock,
        patience: timedelta | None = None,
        quota: Callable[[], int] | None = None,
        shared: SharedDatabase | None = None,
        kind: str = "requests",
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._held_until = 0.0
        self._left, self._left_until = math.inf, 0.0
        self._patience = patience.total_seconds() if patience is not None else math.inf
        self._waited, self._waits_until = 0.0, 0.0
        self._quota = quota
        self._quota_left: float | None = None if quota else math.inf
        rates = [Rate(limit.requests, int(limit.per.total_seconds() * 1000 * MARGIN)) for limit in limits]
        self._longest = max(int(rate.interval) for rate in rates)
        self._leak_at = 0
        self._counter: Counter = shared.counter(kind, rates) if shared else _Own(rates, clock)

    def close(self) -> None:
        """Nothing is taken from now on where the budget is shared."""
        self._counter.close()

    @property
    def told(self) -> float:
        """Seconds for which the vendor has said that it allows nothing."""
        with self._lock:
            until = max(self._held_until, self._left_until if self._left <= 0 else 0.0)
            return max(until - self._clock.monotonic(), 0.0)

    @property
    def pause(self) -> float:
        """Seconds until one more request may be made, as far as is known now."""
        told = self.told
        with self._lock:
            # what was counted before is of a window of the vendor's that has ended
            ended = self._left <= 0 and 0 < self._left_until <= self._clock.monotonic()
            return told if ended else max(told, self._counted())

    def _counted(self) -> float:
        """Seconds until the windows have room for one more request; 0 where nobody can tell."""
        waits = [0.0]
        try:
            with self._counter.turn(alone=False) as (bucket, tick):
                for rate in bucket.rates:
                    oldest = bucket.peek(int(rate.limit) - 1)
                    assert oldest is None or isinstance(oldest, RateItem)
                    waits.append((oldest.timestamp + int(rate.interval) - tick) / 1000 if oldest else 0.0)
        except (AwayError, SourceError):
            return 0.0
        return max(waits)

    def acquire(self) -> float:
        """Wait until one more request may be made; returns the seconds waited. Raises LimitError and QuotaError."""
        waited = 0.0
        while pause := self.take():
            with self._lock:
                now = self._clock.monotonic()
                until = max(now + pause, self._waits_until)
                longer = until - max(now, self._waits_until)
                if self._waited + longer > self._patience:
                    raise too_long(pause)
                self._waited, self._waits_until = self._waited + longer, until
            self._clock.sleep(pause)
            waited += pause
        return waited

    def hold(self, seconds: float) -> None:
        """Nobody asks again before `seconds` have passed: the vendor said so."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def lower(self, left: int, seconds: float) -> None:
        """The vendor allows at most `left` more requests before `seconds` have passed."""
        with self._lock:
            now = self._clock.monotonic()
            self._left = min(self._left, left) if now < self._left_until else left
            self._left_until = now + seconds

    def take(self) -> float:
        """Take one request without waiting; returns 0, or the seconds after which to try again.

        Raises QuotaError, also where a shared budget cannot be had any more, and SettingError where it never could.
        """
        if self._quota_left is None and self._quota is not None:
            self._quota_left = self._quota()
        with self._lock:
            assert self._quota_left is not None
            if self._quota_left <= 0:
                raise QuotaError("the quota of requests is used up", remedy="run again when the vendor's quota is new")
            now = self._clock.monotonic()
            if now < self._held_until:
                # never less than a clock can tell apart
                return max(self._held_until - now, 0.001)
            lowered = now < self._left_until
            if lowered and self._left <= 0:
                return max(self._left_until - now, 0.001)
            # the vendor said that nothing was left, and when that ends: its window is new
            turned = self._left_until if self._left <= 0 else 0.0
            try:
                wait = self._count(turned, now)
            except AwayError:
                return LOOK_AGAIN
            if turned:
                self._left = math.inf
            if not wait:
                self._quota_left -= 1
                self._left -= lowered
            return wait

    def _count(self, turned: float, now: float) -> float:
        """Count one request; returns 0, or the seconds after which the windows have room for it.

        `turned` is when a window began that the vendor had told of, or 0.
        """
        with self._counter.turn() as (bucket, tick):
            if turned:
                # what was taken before, by anybody, is of a window of the vendor's that has ended
                bucket.leak(tick - int((now - turned) * 1000) + self._longest)
            item = RateItem("request", tick)
            if not bucket.put(item):
                wait = bucket.waiting(item)
                assert isinstance(wait, int)  # none of the buckets is asynchronous
                return max(wait, 1) / 1000
            if tick >= self._leak_at:
                bucket.leak(tick)
                self._leak_at = tick + self._longest
        return 0.0


def too_long(seconds: float) -> LimitError:
    """The error of a wait that is longer than the run's patience."""
    return LimitError(
        f"the rate limit allows nothing for another {seconds:.0f} s, longer than this run may wait",
        remedy="run again later, or allow more with --max-wait",
    )


class _Own:
    """The requests of this process."""

    def __init__(self, rates: list[Rate], clock: Clock) -> None:
        self._bucket = InMemoryBucket(rates)
        self._clock = clock

    @contextmanager
    def turn(self, *, alone: bool = True) -> Iterator[tuple[AbstractBucket, int]]:  # noqa: ARG002 — a budget has a lock
        yield self._bucket, int(self._clock.monotonic() * 1000)

    def close(self) -> None:
        """Nothing is held."""
