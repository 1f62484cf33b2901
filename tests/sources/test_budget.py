"""The documented rate is used up and never exceeded, however many ask."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.budget import Budget, Limit
from sources.errors import LimitError
from tests.conftest import NOW, FakeClock

MINUTE = timedelta(minutes=1)


class WatchedClock(FakeClock):
    """Also remembers, for each thread, what the time was when it last looked."""

    def __init__(self, now: datetime = NOW) -> None:
        super().__init__(now)
        self._seen = threading.local()

    def monotonic(self) -> float:
        self._seen.at = super().monotonic()
        return float(self._seen.at)

    def seen(self) -> float:
        """When this thread's request was granted: acquire looks at the clock a last time as it grants it."""
        return float(self._seen.at)


def assert_kept(granted: list[float], limit: Limit) -> None:
    times = sorted(granted)
    span = limit.per.total_seconds()
    for early, late in zip(times, times[limit.requests :], strict=False):
        assert late - early >= span, f"{limit.requests + 1} requests within {late - early} s"


@given(st.integers(1, 8), st.lists(st.floats(0, 70, allow_nan=False), min_size=1, max_size=60))
def test_no_sliding_minute_has_more_than_the_limit(requests: int, pauses: list[float]) -> None:
    clock, limit = FakeClock(), Limit(requests, MINUTE)
    budget = Budget(limit, clock=clock)
    granted = []
    for pause in pauses:
        clock.move(timedelta(seconds=pause))
        budget.acquire()
        granted.append(clock.monotonic())
    assert_kept(granted, limit)


@given(st.integers(3, 8), st.lists(st.sampled_from([0.0, 0.4, 1.0, 7.0, 59.9, 60.0]), min_size=1, max_size=40))
def test_several_limits_are_kept_at_once(requests: int, pauses: list[float]) -> None:
    clock = FakeClock()
    limits = (Limit(requests, MINUTE), Limit(2, timedelta(seconds=1)), Limit(20, timedelta(hours=1)))
    budget = Budget(*limits, clock=clock)
    granted = []
    for pause in pauses:
        clock.move(timedelta(seconds=pause))
        budget.acquire()
        granted.append(clock.monotonic())
    for limit in limits:
        assert_kept(granted, limit)


@pytest.mark.parametrize("requests", [1, 7, 30])
def test_threads_share_one_budget(requests: int) -> None:
    clock, limit = WatchedClock(), Limit(requests, MINUTE)
    budget = Budget(limit, clock=clock)

    def ask(_: int) -> float:
        budget.acquire()
        return clock.seen()

    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(ask, range(120)))
    assert len(granted) == 120
    assert_kept(granted, limit)


def test_the_documented_rate_is_used_up() -> None:
    clock = FakeClock()
    budget = Budget(Limit(100, MINUTE), clock=clock)
    assert [budget.acquire() for _ in range(100)] == [0.0] * 100
    assert 60 <= budget.acquire() <= 61
    assert [budget.acquire() for _ in range(99)] == [0.0] * 99
    assert sum(clock.slept) <= 61


def test_a_steady_load_reaches_the_rate() -> None:
    clock = FakeClock()
    budget = Budget(Limit(10, MINUTE), clock=clock)
    for _ in range(600):
        budget.acquire()
    assert 59 * 60 <= sum(clock.slept) <= 60 * 60


@given(st.floats(0.000_001, 4000, allow_nan=False))
def test_hold_makes_everyone_wait(seconds: float) -> None:
    clock = FakeClock()
    budget = Budget(Limit(100, MINUTE), clock=clock)
    before = clock.monotonic()
    budget.hold(seconds)
    waited = budget.acquire()
    assert clock.monotonic() - before >= seconds - 1e-6
    assert seconds - 1e-3 <= waited <= seconds + 1e-2
    assert budget.acquire() == 0.0


def test_hold_makes_every_thread_wait() -> None:
    clock = WatchedClock()
    budget = Budget(Limit(100, MINUTE), clock=clock)
    until = clock.monotonic() + 30
    budget.hold(30)

    def ask(_: int) -> float:
        budget.acquire()
        return clock.seen()

    with ThreadPoolExecutor(6) as pool:
        assert min(pool.map(ask, range(12))) >= until


def test_what_several_threads_wait_at_once_takes_patience_once() -> None:
    together = threading.Barrier(6, timeout=10)

    class Clock(FakeClock):
        def sleep(self, seconds: float) -> None:
            together.wait()
            super().sleep(seconds)

    budget = Budget(Limit(100, MINUTE), clock=Clock(), patience=timedelta(seconds=40))
    budget.hold(30)
    with ThreadPoolExecutor(6) as pool:
        assert len(list(pool.map(lambda _: budget.acquire(), range(6)))) == 6
    budget.hold(11)
    with pytest.raises(LimitError):
        budget.acquire()


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    clock = FakeClock()
    budget = Budget(Limit(100, MINUTE), clock=clock)
    budget.hold(50)
    budget.hold(5)
    assert budget.acquire() == pytest.approx(50, abs=0.01)


class TestWhatTheVendorSaysIsLeft:
    def test_when_nothing_is_left_the_vendors_turn_is_waited_for_and_no_more(self) -> None:
        clock = FakeClock()
        budget = Budget(Limit(10, timedelta(hours=1)), clock=clock, patience=timedelta(hours=1))
        for left in reversed(range(10)):
            budget.acquire()
            budget.lower(left, 1800)
        assert budget.acquire() == pytest.approx(1800, abs=0.01)
        # its window is new, whatever the last hour holds
        assert [budget.acquire() for _ in range(9)] == [0.0] * 9
        with pytest.raises(LimitError):
            budget.acquire()

    def test_some_that_are_left_do_not_make_the_window_new(self) -> None:
        clock, limit = FakeClock(), Limit(10, MINUTE)
        budget = Budget(limit, clock=clock)
        for _ in range(10):
            budget.acquire()
            budget.lower(5, 1)
            clock.move(timedelta(seconds=2))
        assert budget.acquire() > 30


class TestPause:
    def test_it_takes_nothing_and_is_what_acquire_waits(self) -> None:
        clock = FakeClock()
        budget = Budget(Limit(3, timedelta(hours=1)), clock=clock)
        for _ in range(3):
            assert budget.pause == budget.pause == 0
            budget.acquire()
        clock.move(timedelta(minutes=20))
        pause = budget.pause
        assert 2300 < pause < 2500
        assert budget.acquire() == pytest.approx(pause, abs=0.01)

    def test_it_knows_what_the_vendor_said(self) -> None:
        clock = FakeClock()
        budget = Budget(Limit(1, timedelta(hours=1)), clock=clock)
        budget.hold(7)
        assert budget.pause == pytest.approx(7)
        budget.acquire()
        budget.lower(0, 60)
        assert budget.pause > 3000
        clock.move(timedelta(seconds=61))
        assert budget.pause == 0
        assert budget.acquire() == 0
