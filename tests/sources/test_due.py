"""Which days are due."""

from datetime import date, timedelta

import pytest

from sources.due import Due
from sources.streams import Account
from sources.windows import Days
from tests.conftest import FakeClock

TODAY = date(2026, 3, 18)


@pytest.mark.parametrize(
    ("first", "last", "due"),
    [
        (-5, -2, Days(TODAY - timedelta(days=5), TODAY - timedelta(days=2))),
        (-5, 400, Days(TODAY - timedelta(days=5), TODAY)),
        (0, 0, Days(TODAY, TODAY)),
        (1, 1, None),
    ],
)
def test_of_a_backfill_the_days_that_have_begun(first: int, last: int, due: Days | None) -> None:
    asked = Days(TODAY + timedelta(days=first), TODAY + timedelta(days=last))
    assert Due(FakeClock(), None, 3, "month", asked).days(Account("1"), None) == due
