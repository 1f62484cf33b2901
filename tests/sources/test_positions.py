"""Positions move without gaps, apart from one another, and survive a round trip through the warehouse."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.positions import Positions
from sources.windows import Days


def march(first: int, last: int | None = None) -> Days:
    return Days(date(2026, 3, first), date(2026, 3, last or first))


@pytest.mark.parametrize(
    ("more", "loaded"),
    [
        (march(11, 12), march(5, 12)),
        (march(8, 12), march(5, 12)),
        (march(6, 7), march(5, 10)),
        (march(2, 4), march(2, 10)),
        (march(1, 20), march(1, 20)),
    ],
)
def test_advance_joins(more: Days, loaded: Days) -> None:
    positions = Positions({})
    positions.advance("a", "visits", march(5, 10))
    positions.advance("a", "visits", more)
    assert positions.loaded("a", "visits") == loaded


@pytest.mark.parametrize("far", [march(12, 14), march(1, 3)])
def test_advance_refuses_a_gap(far: Days) -> None:
    positions = Positions({})
    positions.advance("a", "visits", march(5, 10))
    with pytest.raises(ValueError, match=r"a/visits: .* does not join"):
        positions.advance("a", "visits", far)
    assert positions.loaded("a", "visits") == march(5, 10)


@given(st.lists(st.tuples(st.integers(1, 31), st.integers(0, 5)), max_size=12))
def test_what_counts_as_loaded_was_loaded(steps: list[tuple[int, int]]) -> None:
    positions, taken = Positions({}), set[date]()
    for first, extra in steps:
        days = march(first, min(first + extra, 31))
        try:
            positions.advance("a", "visits", days)
        except ValueError:
            continue
        taken |= set(days)
        loaded = positions.loaded("a", "visits")
        assert loaded is not None
        assert set(loaded) == taken


def test_nothing_is_loaded_at_first() -> None:
    positions = Positions({})
    assert positions.loaded("a", "visits") is None
    assert positions.incomplete("a", "visits") == []
    assert list(positions.all_loaded()) == []
    assert list(positions.all_incomplete()) == []


def test_accounts_and_streams_are_apart() -> None:
    positions = Positions({})
    positions.advance("a", "visits", march(1, 5))
    positions.advance("a", "leads", march(2, 3))
    positions.advance("b", "visits", march(20, 21))
    positions.mark_incomplete("a", "visits", date(2026, 3, 2), "too many")
    assert list(positions.all_loaded()) == [
        ("a", "visits", march(1, 5)),
        ("a", "leads", march(2, 3)),
        ("b", "visits", march(20, 21)),
    ]
    assert positions.loaded("b", "leads") is None
    assert positions.incomplete("a", "leads") == []
    assert positions.incomplete("b", "visits") == []
    positions.mark_complete("b", "visits", march(1, 31))
    positions.mark_complete("a", "leads", march(1, 31))
    assert positions.incomplete("a", "visits") == [date(2026, 3, 2)]


def test_incomplete_until_read_in_full() -> None:
    positions = Positions({})
    for day in (9, 2, 5):
        positions.mark_incomplete("a", "visits", date(2026, 3, day), f"day {day}")
    assert positions.incomplete("a", "visits") == [date(2026, 3, day) for day in (2, 5, 9)]
    positions.mark_complete("a", "visits", march(3, 8))
    assert list(positions.all_incomplete()) == [
        ("a", "visits", date(2026, 3, 9), "day 9"),
        ("a", "visits", date(2026, 3, 2), "day 2"),
    ]
    positions.mark_complete("a", "visits", march(2))
    positions.mark_complete("a", "visits", march(9))
    assert positions.incomplete("a", "visits") == []


def test_the_state_survives_json() -> None:
    state: dict[str, Any] = {}
    positions = Positions(state)
    positions.advance("a", "visits", march(1, 5))
    positions.mark_incomplete("a", "visits", date(2026, 3, 2), "too many")
    again = Positions(json.loads(json.dumps(state)))
    assert list(again.all_loaded()) == list(positions.all_loaded())
    assert list(again.all_incomplete()) == [("a", "visits", date(2026, 3, 2), "too many")]
    again.advance("a", "visits", march(6))
    assert again.loaded("a", "visits") == march(1, 6)
    assert positions.loaded("a", "visits") == march(1, 5)


def test_what_is_read_whole_reaches_over_gaps_and_never_back() -> None:
    positions = Positions({})
    positions.reach(None, "grants", march(10, 12))
    assert positions.loaded(None, "grants") == march(10, 12)
    positions.reach(None, "grants", march(20))
    positions.reach(None, "grants", march(2, 3))
    assert list(positions.all_loaded()) == [(None, "grants", march(2, 20))]


def test_a_window_that_backfills_have_begun_begins_with_the_earliest() -> None:
    positions = Positions({})
    march = date(2026, 3, 1)
    for day in (9, 4, 6):
        positions.begin_window("1", "feed_leads/all_leads", march, march.replace(day=day))
    assert positions.begun_windows("1", "feed_leads/all_leads") == {march: march.replace(day=4)}
    assert list(positions.all_begun()) == [("1", "feed_leads/all_leads", march, march.replace(day=4))]
    assert positions.begun_windows("2", "feed_leads/all_leads") == {}
