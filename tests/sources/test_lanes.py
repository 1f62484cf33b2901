"""How a lane fares."""

from datetime import date

from sources.lanes import Lane
from sources.windows import Days
from tests.conftest import NOW


def march(first: int, last: int) -> Days:
    return Days(date(2026, 3, first), date(2026, 3, last))


def test_its_window_reaches_over_all_that_was_read_in_whatever_order() -> None:
    lane = Lane("feed_leads", None, NOW)
    for days in (None, march(10, 12), march(3, 5), None, march(14, 20), march(11, 11)):
        lane.widen(days)
    assert lane.window == march(3, 20)
