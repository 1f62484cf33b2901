"""One rate budget per secret, shared by every thread that uses it.

Rates are windows that slide (pyrate-limiter's log of requests), a hundredth longer than documented, so that a request
that was delayed on its way never falls into the vendor's next window as one too many. What a vendor's answer says is
left can only lower the budget.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from .clock import Clock
from .errors import LimitError, QuotaError

MARGIN = 1.01


@dataclass(frozen=True)
class Limit:
    """At most `requests` in any span of `per`."""

    requests: int
    per: timedelta


class Budget:
    """What one secret may ask for.

    `patience` bounds the time that a run waits for its turn, all waits together. `quota` tells, when it is first
    needed, how many requests are left of a quota that outlasts the run.
    """

    def __init__(
        self,
        *limits: Limit,
        clock: Clock,
        patience: timedelta | None = None,
        quota: Callable[[], int] | None = None,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._held_until = 0.0
        self._left, self._left_until = math.inf, 0.0
        self._patience = patience.total_seconds() if patience is not None else math.inf
        self._waited = 0.0
        self._quota = quota
        self._quota_left: float | None = None if quota else math.inf
        rates = [Rate(limit.requests, int(limit.per.total_seconds() * 1000 * MARGIN)) for limit in limits]
        self._bucket = InMemoryBucket(rates)

    @property
    def pause(self) -> float:
        """Seconds until one more request may be made, as far as is known now."""
        with self._lock:
            now = self._clock.monotonic()
            told = self._left_until if self._left <= 0 else 0.0
            waits = [self._held_until - now, told - now]
            if not 0 < told <= now:
                for rate in self._bucket.rates:
                    oldest = self._bucket.peek(int(rate.limit) - 1)
                    waits.append((oldest.timestamp + int(rate.interval)) / 1000 - now if oldest else 0.0)
            return max(*waits, 0.0)

    def acquire(self) -> float:
        """Wait until one more request may be made; returns the seconds waited. Raises LimitError and QuotaError."""
        waited = 0.0
        while pause := self.take():
            with self._lock:
                if self._waited + pause > self._patience:
                    raise LimitError(
                        f"the rate limit allows nothing for another {pause:.0f} s, longer than this run may wait",
                        remedy="run again later, or allow more with --max-wait",
                    )
                self._waited += pause
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

        Raises QuotaError.
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
            if not lowered and self._left <= 0:
                # the vendor said that nothing was left, and when that ends: its window is new
                self._left = math.inf
                self._bucket.flush()
            if lowered and self._left <= 0:
                return max(self._left_until - now, 0.001)
            item = RateItem("request", int(now * 1000))
            if self._bucket.put(item):
                self._bucket.leak(item.timestamp)
                self._quota_left -= 1
                self._left -= lowered
                return 0.0
            wait = self._bucket.waiting(item)
            assert isinstance(wait, int)  # an in-memory bucket is never asynchronous
            return max(wait, 1) / 1000
