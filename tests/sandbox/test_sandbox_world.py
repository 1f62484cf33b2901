"""The story is the same whoever asks, however much of it they ask for."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from sandbox import World
from tests.sandbox.client import TODAY, Clock


def told(world: World, account_id: str, first: date, last: date) -> list[object]:
    window = world.window(account_id, first, last)
    return [(visit.id, visit.lead.id, visit.started, visit.route, visit.channel) for visit in window.visits]


def test_a_longer_or_later_story_changes_no_day() -> None:
    short = World(today=TODAY, days=7)
    longer = World(today=TODAY, days=40)
    later = World(today=TODAY + timedelta(days=9), days=16)
    for account_id in short.accounts:
        week = told(short, account_id, short.first_day, TODAY)
        assert week
        assert week == told(longer, account_id, short.first_day, TODAY)
        assert week == told(later, account_id, short.first_day, TODAY)


def test_the_order_of_questions_does_not_matter() -> None:
    forward, backward = World(today=TODAY), World(today=TODAY)
    all_days = [TODAY - timedelta(days=back) for back in range(10)]
    seen = {day: told(forward, "6001", day, day) for day in all_days}
    assert seen == {day: told(backward, "6001", day, day) for day in reversed(all_days)}


def test_another_seed_is_another_story() -> None:
    assert told(World(1, TODAY), "6001", TODAY, TODAY) != told(World(2, TODAY), "6001", TODAY, TODAY)


def test_visits_appear_as_the_clock_goes_on() -> None:
    clock = Clock()
    world = World(days=3, clock=clock)
    before = {visit.id for visit in world.visits("6001", TODAY)}
    assert all(visit.started <= clock() for visit in world.visits("6001", TODAY))
    clock.sleep(6 * 3600)
    after = {visit.id for visit in world.visits("6001", TODAY)}
    assert before < after
    # as many as a world has that is told afterwards
    clock.sleep(24 * 3600)
    assert len(world.visits("6001", TODAY)) == len(World(today=TODAY).visits("6001", TODAY))
    assert world.visits("6001", TODAY + timedelta(days=1))


def test_ids_are_unique_and_wall_times_agree() -> None:
    world = World(today=TODAY)
    visits = [visit for account_id in world.accounts for visit in world.history(account_id).visits]
    assert len({visit.id for visit in visits}) == len(visits)
    for account in world.accounts.values():
        for visit in world.history(account.id).visits:
            wall = datetime.fromtimestamp(visit.started, UTC).astimezone(account.zone)
            assert (visit.day, visit.hour) == (wall.date().isoformat(), wall.hour)
            assert visit.started % 60 == 0
    assert world.accounts["6002"].timezone == "America/New_york"
    assert str(world.accounts["6002"].zone) == "America/New_York"


def test_a_fixed_today_can_move_on() -> None:
    world = World(today=TODAY, days=3)
    tomorrow = TODAY + timedelta(days=1)
    assert world.visits("6001", tomorrow) == []
    world.advance()
    assert world.visits("6001", tomorrow)
    with pytest.raises(ValueError, match="follows its clock"):
        World().advance()


def test_neighbours_share_visitors() -> None:
    world = World(today=TODAY)
    domains = [
        {figures.lead.company.domain for figures in world.history(account_id).leads} for account_id in world.accounts
    ]
    assert domains[0] & domains[1]
    assert domains[0] - domains[1]


def test_there_are_findings() -> None:
    world = World(today=TODAY)
    visits = world.history("6001").visits
    newsletter = [visit for visit in visits if visit.channel.campaign == "Partner newsletter"]
    tuesdays = [visit for visit in newsletter if date.fromisoformat(visit.day).weekday() == 1]
    assert len(tuesdays) > 2 * (len(newsletter) - len(tuesdays))
    regular = world.account("6001").lead(7)
    landed = [visit for visit in visits if visit.lead is regular and visit.route[0][0] == "/pricing/"]
    assert len({visit.day for visit in landed}) >= 8
    busiest, second = Counter(visit.day for visit in visits).most_common(2)
    assert busiest[1] > 2 * second[1]


def test_mutators() -> None:
    world = World(today=TODAY)
    day = TODAY - timedelta(days=3)
    before = {visit.id for visit in world.visits("6001", day)}

    late = world.add_visits("6001", day, 5)
    assert {visit.id for visit in world.visits("6001", day)} == before | set(late)
    assert world.remove_visits("6001", day, late) == sorted(late)
    assert len(world.remove_visits("6001", day, 2)) == 2
    assert len(world.visits("6001", day)) == len(before) - 2

    visit = world.visits("6001", day)[0]
    pages, seconds = len(visit.route), sum(time for _, time in visit.route)
    world.grow_visit("6001", visit.id, seconds=12)
    grown = world.visits("6001", day)[0]
    assert (len(grown.route), sum(time for _, time in grown.route)) == (pages + 1, seconds + 12)

    world.crowd_day("6001", day, 1500)
    assert len(world.window("6001", day, day).leads) == 1500
    world.empty_day("6001", day)
    assert world.visits("6001", day) == []

    lead = world.history("6001").leads[0].lead
    assert world.add_visits("6001", day, 2, lead_id=lead.id)
    assert {visit.lead.id for visit in world.visits("6001", day)} == {lead.id}

    assert world.add_account("Late Comer", "America/New_york", 5) == "6004"
    assert world.history("6004").visits
    with pytest.raises(ValueError, match="no such account"):
        world.visits("7000", day)


def test_benchmark_scale() -> None:
    world = World(today=TODAY, days=90, visits_per_day=60, accounts=1, leads=1000)
    window = world.history("6001")
    assert 4500 < len(window.visits) < 7500
    assert sum(figures.pageviews for figures in window.leads) > 2.7 * len(window.visits)
    assert world.history("6001") is window
