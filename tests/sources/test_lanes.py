"""How a lane fares."""

from datetime import date

import pytest

from sources.errors import AccessError, NotEntitledError, SourceError
from sources.lanes import Lane, Lanes
from sources.streams import Stream
from sources.windows import Days
from tests.conftest import NOW, FakeClock


def march(first: int, last: int) -> Days:
    return Days(date(2026, 3, first), date(2026, 3, last))


def test_its_window_reaches_over_all_that_was_read_in_whatever_order() -> None:
    lane = Lane("feed_leads", None, NOW)
    for days in (None, march(10, 12), march(3, 5), None, march(14, 20), march(11, 11)):
        lane.widen(days)
    assert lane.window == march(3, 20)


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_not_bought_does_not_hide_what_has_failed(order: int) -> None:
    lanes = Lanes("acme", FakeClock(), str)
    lane = lanes.open(Stream("exports", (), by="report"), None)
    errors: list[SourceError] = [AccessError("refused", status=403), NotEntitledError("not bought")]
    for error in errors[::order]:
        lanes.fail(lane, error, None, stop=False)
    assert lane.status == "failed"
