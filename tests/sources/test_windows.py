"""Days are cut, covered and continued without a gap, whatever the zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sources.windows import ONE_DAY, Days, beside, cover, parse_day, parse_instant, since, timezone, today

DATES = st.dates(date(2005, 1, 1), date(2035, 12, 31))
ZONES = st.sampled_from(sorted(pendulum.timezones())).map(ZoneInfo)


def runs(longest: int) -> st.SearchStrategy[Days]:
    return st.builds(
        lambda first, extra: Days(first, first + timedelta(days=extra)), DATES, st.integers(0, longest - 1)
    )


def instants(days: Days, zone: ZoneInfo) -> list[datetime]:
    """A quarter of an hour apart, every instant whose calendar day in `zone` is one of `days`."""
    start = datetime.combine(days.first - 2 * ONE_DAY, datetime.min.time(), UTC)
    moments = (start + timedelta(minutes=15 * n) for n in range((len(days) + 4) * 96))
    return [moment for moment in moments if moment.astimezone(zone).date() in days]


class TestDays:
    @settings(max_examples=60)
    @given(runs(400), st.integers(-3, 500))
    def test_parts_are_a_partition_of_nearly_equal_runs(self, days: Days, count: int) -> None:
        parts = days.parts(count)
        assert [day for part in parts for day in part] == list(days)
        assert len(parts) == min(max(count, 1), len(days))
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1

    def test_both_ends_belong_to_it(self) -> None:
        days = Days(date(2026, 2, 27), date(2026, 3, 2))
        assert len(days) == 4
        assert date(2026, 2, 27) in days
        assert date(2026, 3, 2) in days
        assert date(2026, 3, 3) not in days
        assert list(days)[1:3] == [date(2026, 2, 28), date(2026, 3, 1)]

    def test_text_names_the_days(self) -> None:
        assert str(Days(date(2026, 3, 1), date(2026, 3, 1))) == "2026-03-01"
        assert str(Days(date(2026, 3, 1), date(2026, 3, 4))) == "2026-03-01…2026-03-04"

    def test_the_wrong_way_round_is_refused(self) -> None:
        with pytest.raises(ValueError, match="2026-03-02 lies after 2026-03-01"):
            Days(date(2026, 3, 2), date(2026, 3, 1))


class TestCover:
    @settings(max_examples=60)
    @given(runs(4), ZONES)
    @example(Days(date(2026, 3, 29), date(2026, 3, 29)), ZoneInfo("Europe/Helsinki"))
    @example(Days(date(2026, 10, 25), date(2026, 10, 25)), ZoneInfo("Europe/Helsinki"))
    @example(Days(date(2026, 11, 1), date(2026, 11, 1)), ZoneInfo("America/New_York"))
    @example(Days(date(2026, 11, 1), date(2026, 11, 1)), ZoneInfo("America/Havana"))
    @example(Days(date(2026, 4, 5), date(2026, 4, 5)), ZoneInfo("Australia/Lord_Howe"))
    @example(Days(date(2026, 3, 1), date(2026, 3, 1)), ZoneInfo("Asia/Kolkata"))
    @example(Days(date(2026, 3, 1), date(2026, 3, 1)), ZoneInfo("America/St_Johns"))
    @example(Days(date(2026, 3, 1), date(2026, 3, 1)), ZoneInfo("Pacific/Kiritimati"))
    @example(Days(date(2011, 12, 29), date(2011, 12, 31)), ZoneInfo("Pacific/Apia"))
    @example(Days(date(2018, 11, 4), date(2018, 11, 4)), ZoneInfo("America/Sao_Paulo"))
    def test_every_instant_is_asked_for_by_utc_and_by_local_days(self, days: Days, zone: ZoneInfo) -> None:
        asked = cover(days, zone)
        for moment in instants(days, zone):
            assert moment.date() in asked
            assert moment.astimezone(zone).date() in asked
        assert days.first - ONE_DAY <= asked.first <= days.first
        assert days.last <= asked.last <= days.last + ONE_DAY

    @settings(max_examples=60)
    @given(runs(4), ZONES)
    def test_a_day_more_is_asked_for_only_where_an_instant_lies_on_it(self, days: Days, zone: ZoneInfo) -> None:
        asked = cover(days, zone)
        utc_days = {moment.date() for moment in instants(days, zone)}
        assert asked.first == days.first or asked.first in utc_days
        assert asked.last == days.last or asked.last in utc_days

    @given(runs(50))
    def test_utc_asks_for_exactly_the_days(self, days: Days) -> None:
        assert cover(days, ZoneInfo("UTC")) == days

    @given(runs(50))
    def test_an_unknown_zone_is_overlapped_on_both_sides(self, days: Days) -> None:
        assert cover(days, None) == Days(days.first - ONE_DAY, days.last + ONE_DAY)

    def test_east_reaches_back_and_west_reaches_on(self) -> None:
        day = Days(date(2026, 3, 10), date(2026, 3, 10))
        assert cover(day, ZoneInfo("Asia/Kolkata")) == Days(date(2026, 3, 9), date(2026, 3, 10))
        assert cover(day, ZoneInfo("America/New_York")) == Days(date(2026, 3, 10), date(2026, 3, 11))

    @given(runs(50), ZONES)
    def test_what_lies_beside_the_days_makes_them_whole(self, days: Days, zone: ZoneInfo) -> None:
        for wide in (cover(days, zone), cover(days, None)):
            assert sorted(day for part in [*beside(days, wide), days] for day in part) == list(wide)


class TestSince:
    @given(runs(200), DATES, st.integers(0, 40), DATES)
    def test_nothing_is_skipped_and_nothing_before_the_loaded_days_is_read(
        self, loaded: Days, start: date, lookback: int, until: date
    ) -> None:
        days = since(loaded, start, lookback, until)
        if days is None:
            assert until < loaded.first
            return
        assert days.last == until
        assert loaded.first <= days.first <= loaded.last
        if until >= loaded.last:
            assert days.first == max(loaded.first, loaded.last - timedelta(days=lookback))

    @given(DATES, st.integers(0, 40), DATES)
    def test_the_first_run_begins_at_the_start(self, start: date, lookback: int, until: date) -> None:
        assert since(None, start, lookback, until) == (Days(start, until) if start <= until else None)

    @pytest.mark.parametrize(("lookback", "first"), [(0, 10), (3, 7), (9, 1), (30, 1)])
    def test_lookback(self, lookback: int, first: int) -> None:
        loaded = Days(date(2026, 3, 1), date(2026, 3, 10))
        days = since(loaded, date(2025, 1, 1), lookback, date(2026, 3, 12))
        assert days == Days(date(2026, 3, first), date(2026, 3, 12))

    def test_the_same_day_again(self) -> None:
        loaded = Days(date(2026, 3, 1), date(2026, 3, 10))
        assert since(loaded, date(2026, 3, 1), 0, date(2026, 3, 10)) == Days(date(2026, 3, 10), date(2026, 3, 10))

    def test_a_clock_that_went_back(self) -> None:
        loaded = Days(date(2026, 3, 1), date(2026, 3, 10))
        assert since(loaded, date(2026, 3, 1), 2, date(2026, 3, 8)) == Days(date(2026, 3, 6), date(2026, 3, 8))


class TestTimezone:
    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("America/New_york", "America/New_York"),
            ("Asia/Calcutta", "Asia/Calcutta"),
            ("EUROPE/helsinki", "Europe/Helsinki"),
            (" utc ", "UTC"),
        ],
    )
    def test_known(self, name: str, key: str) -> None:
        zone = timezone(name)
        assert zone is not None
        assert zone.key == key

    @pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../../etc/passwd", "GMT+99"])
    def test_unknown(self, name: str | None) -> None:
        assert timezone(name) is None

    def test_today_is_the_zones_day(self) -> None:
        moment = datetime(2026, 3, 18, 20, 0, tzinfo=UTC)
        assert today(moment, ZoneInfo("Asia/Kolkata")) == date(2026, 3, 19)
        assert today(moment, ZoneInfo("America/New_York")) == date(2026, 3, 18)
        assert today(moment.replace(hour=2), ZoneInfo("America/New_York")) == date(2026, 3, 17)
        assert today(moment, None) == date(2026, 3, 18)


class TestParse:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-03-18T10:15:30Z",
            "2026-03-18T10:15:30+00:00",
            "2026-03-18T10:15:30.000Z",
            "2026-03-18T12:15:30+02:00",
            "2026-03-18T15:45:30+0530",
            "2026-03-18T10:15:30",
            "2026-03-18 10:15:30",
            "20260318T101530Z",
            "1773828930",
            "1773828930000",
        ],
    )
    def test_one_instant(self, text: str) -> None:
        moment = parse_instant(text)
        assert moment == datetime(2026, 3, 18, 10, 15, 30, tzinfo=UTC)
        assert moment.utcoffset() == timedelta(0)

    def test_fractions_are_kept(self) -> None:
        assert parse_instant("2026-03-18T10:15:30.123Z").microsecond == 123_000
        assert parse_instant("2026-03-18T10:15:30.123456Z").microsecond == 123_456

    @given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))
    def test_any_offset(self, naive: datetime, minutes: int) -> None:
        moment = naive.replace(tzinfo=UTC)
        there = moment.astimezone(pendulum.timezone(minutes * 60))
        assert parse_instant(there.isoformat()) == moment

    @pytest.mark.parametrize(
        "text", ["", "soon", "now", "12:30", "P1D", "2026-03-18T25:00:00Z", "17738478", "177384780012345"]
    )
    def test_no_instant(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            parse_instant(text)

    def test_day(self) -> None:
        day = date(2026, 3, 18)
        assert parse_day("2026-03-18") == day
        assert parse_day(" 2026-03-18 ") == day
        assert parse_day(day) == day
        assert type(parse_day(datetime(2026, 3, 18, 23, 59, tzinfo=UTC))) is date

    @pytest.mark.parametrize("text", ["", "2026-02-30", "18.03.2026", "yesterday", None])
    def test_no_day(self, text: object) -> None:
        with pytest.raises(ValueError, match=r"."):
            parse_day(text)
