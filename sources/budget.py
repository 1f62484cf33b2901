"""One rate budget per secret, shared by every thread that uses it.

Rates are windows that slide (pyrate-limiter's log of requests), a hundredth longer than documented, so that a request
that was delayed on its way never falls into the vendor's next window as one too many.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from .clock import Clock

MARGIN = 1.01


@dataclass(frozen=True)
class Limit:
    """At most `requests` in any span of `per`."""

    requests: int
    per: timedelta


class Budget:
    """What one secret may ask for."""

    def __init__(self, *limits: Limit, clock: Clock) -> None:
        self.limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._held_until = 0.0
        rates = [Rate(limit.requests, int(limit.per.total_seconds() * 1000 * MARGIN)) for limit in limits]
        self._bucket = InMemoryBucket(rates)

    def acquire(self) -> float:
        """Wait until one more request may be made; returns the seconds waited."""
        waited = 0.0
        while pause := self.take():
            self._clock.sleep(pause)
            waited += pause
        return waited

    def hold(self, seconds: float) -> None:
        """Nobody asks again before `seconds` have passed: the vendor said so."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def take(self) -> float:
        """Take one request without waiting; returns 0, or the seconds after which to try again."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._held_until:
                # never less than a clock can tell apart
                return max(self._held_until - now, 0.001)
            item = RateItem("request", int(now * 1000))
            if self._bucket.put(item):
                self._bucket.leak(item.timestamp)
                return 0.0
            wait = self._bucket.waiting(item)
            assert isinstance(wait, int)  # an in-memory bucket is never asynchronous
            return max(wait, 1) / 1000
