"""Whoever's midnight bounds the vendor's days, the visits of the account's days come whole."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sources.leadfeeder_legacy.api import Api
from sources.leadfeeder_legacy.visits import Visits
from sources.meter import Meter
from sources.pages import Page
from sources.streams import Account
from sources.windows import Days
from tests.conftest import FakeClock

DAYS = Days(date(2026, 3, 10), date(2026, 3, 12))
START = datetime(2026, 3, 8, tzinfo=UTC)
SIZE = 2
HALF_A_MINUTE = timedelta(seconds=30)


class Vendor:
    """Pages of two visits, bounded by the account's midnight or by UTC's; their instants are rounded to the minute."""

    def __init__(self, instants: list[datetime], zone: ZoneInfo, bound: Literal["account", "utc"]) -> None:
        self.visits: list[dict[str, Any]] = [
            {
                "id": str(number),
                "attributes": {
                    "date": instant.astimezone(zone).date().isoformat(),
                    "started_at": (instant + HALF_A_MINUTE).replace(second=0).isoformat(),
                },
                "shown by": (instant.astimezone(zone) if bound == "account" else instant).date(),
            }
            for number, instant in enumerate(instants)
        ]
        self.asked: list[Days] = []

    def page(self, _: object, account: Account, days: Days, meter: Meter) -> Page:
        return next(self.pages(None, account, days, meter))

    def pages(self, _: object, account: Account, days: Days, meter: Meter, **__: object) -> Iterator[Page]:
        self.asked.append(days)
        shown = [visit for visit in self.visits if visit["shown by"] in days]
        for start in range(0, max(len(shown), 1), SIZE):
            yield Page(shown[start : start + SIZE], {}, last=-(-len(shown) // SIZE))

    def reader(self) -> Visits:
        return Visits(cast(Api, self), FakeClock(datetime(2026, 4, 1, tzinfo=UTC)))

    def read(self, zone: ZoneInfo, reader: Visits | None = None) -> list[str]:
        """The ids of what is read of the days, by the date that the vendor gives them."""
        pages = (reader or self.reader()).pages(Account("1", zone), DAYS, Meter(), 1)
        found: list[dict[str, Any]] = [visit for page in pages for visit in page.items]
        return sorted(visit["id"] for visit in found if date.fromisoformat(visit["attributes"]["date"]) in DAYS)


INSTANTS = st.integers(0, 6 * 24 * 120).map(lambda halves: START + halves * HALF_A_MINUTE)
BEFORE_MIDNIGHT = datetime(2026, 3, 12, 23, 59, 30, tzinfo=UTC)
LATER_THAT_DAY = datetime(2026, 3, 13, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)


@settings(max_examples=200)
@given(
    st.lists(INSTANTS, max_size=25),
    st.sampled_from(["Europe/Helsinki", "America/New_York", "Asia/Kolkata", "UTC"]),
    st.sampled_from(["account", "utc"]),
)
# a visit that UTC's day has shown is rounded to the next one
@example([BEFORE_MIDNIGHT, LATER_THAT_DAY, *[NOON] * 8], "America/New_York", "utc")
def test_they_come_whole(instants: list[datetime], name: str, bound: Literal["account", "utc"]) -> None:
    zone = ZoneInfo(name)
    vendor = Vendor(instants, zone, bound)
    wanted = [str(n) for n, instant in enumerate(instants) if instant.astimezone(zone).date() in DAYS]
    assert vendor.read(zone) == sorted(wanted)


def test_one_visit_tells_that_no_other_day_is_needed() -> None:
    zone = ZoneInfo("America/New_York")
    vendor = Vendor([LATER_THAT_DAY, *[NOON] * 8], zone, "account")
    reader = vendor.reader()
    assert len(vendor.read(zone, reader)) == 9
    assert vendor.asked[1:] == [DAYS]
    # and the next time nobody asks
    assert len(vendor.read(zone, reader)) == 9
    assert vendor.asked[2:] == [DAYS]


def test_a_visit_that_moves_meanwhile_is_not_there_twice() -> None:
    zone = ZoneInfo("America/New_York")
    vendor = Vendor([BEFORE_MIDNIGHT, *[NOON] * 8], zone, "utc")
    moving = vendor.visits[0]
    shown = vendor.pages

    def pages(*asked: Any, **more: Any) -> Iterator[Page]:
        yield from list(shown(*asked, **more))
        if vendor.asked[-1] == DAYS:
            moving["shown by"] = date(2026, 3, 13)

    vendor.pages = pages  # type: ignore[method-assign]
    assert vendor.read(zone) == sorted(visit["id"] for visit in vendor.visits)


def test_a_day_more_costs_a_quiet_account_nothing() -> None:
    zone = ZoneInfo("America/New_York")
    vendor = Vendor([NOON], zone, "account")
    vendor.read(zone)
    assert set(vendor.asked) == {Days(DAYS.first, date(2026, 3, 13))}
