"""Days of visits, and months of companies, that the vendor's ceiling would cut off; days of other zones."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.errors import CeilingError
from sources.leadfeeder import visits as reading
from sources.leadfeeder.visits import COUNTRIES, Visits
from sources.meter import Meter
from sources.streams import Account
from sources.windows import Days
from tests.conftest import FakeClock
from tests.reading import rows_of

from .conftest import START, TODAY, VENDOR, Run, Serve, assert_equal, bodies, results, setting
from .recording import open_api

DAY = date(2026, 3, 16)
duckdb_only = pytest.mark.parametrize("destination", ["duckdb"])

Read = Callable[..., Any]


@pytest.fixture
def sandbox(serve: Serve, clock: FakeClock) -> Sandbox:
    """Days without visits, but for those that a test adds."""
    sandbox = serve(World(days=8, accounts=0, visits_per_day=0, clock=clock.epoch), limits=False)
    sandbox.world.add_account("Quiet", timezone="UTC", visits_per_day=0)
    return sandbox


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    return next(iter(sandbox.world.accounts))


@pytest.fixture
def client(sandbox: Sandbox, clock: FakeClock) -> Iterator[Visits]:
    options = sandbox.leadfeeder.options
    session, api = open_api(options.api_key, clock, sandbox.base_urls["leadfeeder"], workers=4)
    yield Visits(api, clock, "")
    session.close()


def ids(batch: Any) -> set[str]:
    return set(batch["visits"]["id"].to_pylist())


def stand(sandbox: Sandbox, account: str, *days: date) -> set[str]:
    return {visit.id for day in days for visit in sandbox.world.window(account, day, day, "utc").visits}


@pytest.mark.parametrize(
    ("times", "first", "last"),
    [
        ([time(12)], DAY - timedelta(days=1), DAY + timedelta(days=1)),
        ([time(0, 59)], DAY - timedelta(days=1), DAY + timedelta(days=1)),
        ([time(23, 1)], DAY - timedelta(days=1), DAY + timedelta(days=1)),
    ],
)
def test_a_day_around_is_asked_for(
    sandbox: Sandbox, account: str, client: Visits, times: list[time], first: date, last: date
) -> None:
    _add(sandbox, account, DAY, times)
    assert ids(client.read(Account(account), Days(DAY, DAY), Meter())) == stand(sandbox, account, DAY)
    assert [(each["start_date"], each["end_date"]) for each in bodies(sandbox)] == [(str(first), str(last))]


@pytest.mark.parametrize(
    ("day", "at", "before", "after"),
    [
        # the first hour of what was asked for, and the last one
        (DAY - timedelta(days=1), time(0, 59), 0, 1),
        (DAY + timedelta(days=1), time(23), 1, 0),
        # not quite
        (DAY - timedelta(days=1), time(1), 1, 1),
        (DAY + timedelta(days=1), time(22, 59), 1, 1),
    ],
)
def test_it_is_left_out_where_a_visit_shows_that_it_can_be(
    sandbox: Sandbox, account: str, client: Visits, day: date, at: time, before: int, after: int
) -> None:
    _add(sandbox, account, day, [at])
    for _ in range(2):
        assert ids(client.read(Account(account), Days(DAY, DAY), Meter())) == set()
    asked = bodies(sandbox)[-1]
    assert asked == {"start_date": str(DAY - timedelta(days=before)), "end_date": str(DAY + timedelta(days=after))}


@pytest.mark.parametrize(
    ("zone", "seen", "later"),
    [
        # an hour ahead in summer: the last hour of a day is the vendor's next one
        ("Europe/London", date(2026, 3, 5), date(2026, 6, 5)),
        # an hour behind in winter: the first hour is the vendor's day before
        ("Atlantic/Azores", date(2026, 6, 5), date(2026, 12, 5)),
    ],
)
def test_what_a_visit_has_shown_ends_where_clocks_are_changed(
    sandbox: Sandbox,
    clock: FakeClock,
    client: Visits,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    seen: date,
    later: date,
) -> None:
    world = sandbox.world
    clock.move(timedelta(days=300))

    def window(account: Any, asked: Any) -> Any:
        return world.window(account.id, asked["start_date"], asked["end_date"], "account")

    monkeypatch.setattr(sandbox.leadfeeder, "window", window)
    account = world.add_account("Elsewhere", timezone=zone, visits_per_day=0)
    for day in (seen, later):
        for beside in (-1, 0, 1):
            _add(sandbox, account, day + timedelta(days=beside), [time(0, 30), time(12), time(23, 30)])
    for day in (seen, seen, later):
        assert ids(client.read(Account(account), Days(day, day), Meter())) == stand(sandbox, account, day)
    around = [(body["start_date"], body["end_date"]) for body in bodies(sandbox)]
    # learnt in between, and forgotten
    assert around[1] != around[0]
    assert around[2] == (str(later - timedelta(days=1)), str(later + timedelta(days=1)))


def test_no_day_after_today_is_asked_for(sandbox: Sandbox, account: str, client: Visits) -> None:
    client.read(Account(account), Days(DAY, TODAY), Meter())
    assert bodies(sandbox) == [{"start_date": str(DAY - timedelta(days=1)), "end_date": str(TODAY)}]


def test_more_than_one_day_over_the_ceiling_is_for_the_run_to_cut(
    sandbox: Sandbox, account: str, client: Visits
) -> None:
    sandbox.leadfeeder.options.ceiling = 100
    sandbox.world.add_visits(account, DAY, 101)
    with pytest.raises(CeilingError):
        client.read(Account(account), Days(DAY, DAY + timedelta(days=1)), Meter())


def test_a_day_whose_neighbours_fill_the_ceiling_is_read_by_itself(
    sandbox: Sandbox, account: str, client: Visits
) -> None:
    sandbox.leadfeeder.options.ceiling = 100
    for offset in (-1, 0, 1):
        sandbox.world.add_visits(account, DAY + timedelta(days=offset), 60)
    assert ids(client.read(Account(account), Days(DAY, DAY), Meter())) == stand(sandbox, account, DAY)
    assert not any("filters" in body for body in bodies(sandbox))


def test_a_day_over_the_ceiling_is_read_by_countries(sandbox: Sandbox, account: str, client: Visits) -> None:
    sandbox.leadfeeder.options.ceiling = 200
    sandbox.world.add_visits(account, DAY, 450)
    batch = client.read(Account(account), Days(DAY, DAY), Meter())
    assert ids(batch) == stand(sandbox, account, DAY)
    assert batch["visits"].num_rows == 450
    asked = [body["filters"]["location_country_codes"] for body in bodies(sandbox) if "filters" in body]
    assert asked[0] == COUNTRIES
    assert next(each for each in asked if each != COUNTRIES) == COUNTRIES[: len(COUNTRIES) // 2]


def test_a_country_over_the_ceiling_makes_the_day_incomplete(sandbox: Sandbox, account: str, client: Visits) -> None:
    sandbox.leadfeeder.options.ceiling = 100
    lead = _lead(sandbox, account)
    sandbox.world.add_visits(account, DAY, 101, lead_id=lead)
    with pytest.raises(CeilingError, match="alone are too many") as raised:
        client.read(Account(account), Days(DAY, DAY), Meter())
    assert raised.value.day == DAY


def test_visits_that_no_country_has_make_the_day_incomplete(
    sandbox: Sandbox, account: str, client: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.leadfeeder.options.ceiling = 200
    sandbox.world.add_visits(account, DAY, 250)
    countries = {visit.lead.location.country_code for visit in sandbox.world.window(account, DAY, DAY, "utc").visits}
    missing = min(countries)
    monkeypatch.setattr(reading, "COUNTRIES", [code for code in COUNTRIES if code != missing])
    with pytest.raises(CeilingError, match=r"only \d+ of 250 visits can be had") as raised:
        client.read(Account(account), Days(DAY, DAY), Meter())
    assert raised.value.day == DAY
    # the day after it is none the worse
    sandbox.world.add_visits(account, DAY + timedelta(days=1), 3)
    day = DAY + timedelta(days=1)
    assert ids(client.read(Account(account), Days(day, day), Meter())) == stand(sandbox, account, day)


def test_the_countries_are_all_there() -> None:
    assert len(COUNTRIES) == len(set(COUNTRIES)) == 249 + 1
    assert sorted(COUNTRIES) == COUNTRIES


@duckdb_only
def test_everything_comes_under_a_low_ceiling(warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock) -> None:
    sandbox = serve(World(days=6, accounts=1, visits_per_day=60, clock=clock.epoch), limits=False)
    sandbox.leadfeeder.options.ceiling = 200
    lane = results(run())["visitor_companies", "6001"]
    assert_equal(warehouse, sandbox)
    # companies of a month that were read in parts stand there once, with the days of the whole
    spans = {(row["start_date"], row["end_date"]) for row in rows_of(warehouse, VENDOR, "visitor_companies")}
    assert spans == {(START, TODAY)}
    assert lane.rows == len(rows_of(warehouse, VENDOR, "visitor_companies"))


@duckdb_only
def test_a_day_that_cannot_be_had_is_listed_until_it_can(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock
) -> None:
    sandbox = serve(World(days=6, accounts=1, visits_per_day=10, clock=clock.epoch), limits=False)
    lead = sandbox.world.visits("6001", DAY)[0].lead
    sandbox.world.add_visits("6001", DAY, 101, lead_id=lead.id)
    sandbox.leadfeeder.options.ceiling = 100
    summary = run(expect=1, streams=frozenset({"visits"}))
    (result,) = summary.vendors[0].streams
    assert result.status == "incomplete"
    assert f"account 6001, visits, {DAY}" in (result.error or "")
    listed = "SELECT stream, date FROM ops.incomplete_days WHERE vendor = %s"
    assert warehouse.query(listed, VENDOR) == [("visits", DAY)]
    assert {row["visit_date"] for row in rows_of(warehouse, VENDOR, "visits")} == set(Days(START, TODAY)) - {DAY} - {
        START
    }
    sandbox.leadfeeder.options.ceiling = 10_000
    run(streams=frozenset({"visits"}))
    assert warehouse.query(listed, VENDOR) == []
    assert len([row for row in rows_of(warehouse, VENDOR, "visits") if row["visit_date"] == DAY]) > 101


@duckdb_only
def test_a_single_day_with_too_many_companies_is_listed(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock
) -> None:
    sandbox = serve(World(days=6, accounts=1, visits_per_day=10, clock=clock.epoch), limits=False)
    sandbox.world.crowd_day("6001", DAY, 150)
    sandbox.leadfeeder.options.ceiling = 100
    summary = run(expect=1, streams=frozenset({"visitor_companies"}))
    (result,) = summary.vendors[0].streams
    assert (result.status, result.rows) == ("incomplete", 0)
    assert warehouse.query("SELECT stream, date FROM ops.incomplete_days") == [("visitor_companies", DAY)]


@duckdb_only
def test_a_month_that_cannot_be_had_is_tried_again_and_keeps_no_other_away(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(World(days=60, accounts=1, visits_per_day=3, clock=clock.epoch), limits=False)
    setting(monkeypatch, start_date="2026-01-25")
    crowded = date(2026, 2, 10)
    sandbox.world.crowd_day("6001", crowded, 150)
    sandbox.leadfeeder.options.ceiling = 100
    january, february, march = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)

    def months() -> set[object]:
        return {row["window_start"] for row in rows_of(warehouse, VENDOR, "visitor_companies")}

    for _ in range(2):
        run(expect=1, streams=frozenset({"visitor_companies"}))
        assert months() == {january, march}
        assert warehouse.query("SELECT date FROM ops.incomplete_days") == [(crowded,)]
    sandbox.leadfeeder.options.ceiling = 10_000
    run(streams=frozenset({"visitor_companies"}))
    assert months() == {january, february, march}
    assert warehouse.query("SELECT date FROM ops.incomplete_days") == []
    rows = [row for row in rows_of(warehouse, VENDOR, "visitor_companies") if row["window_start"] == february]
    assert len(rows) > 100
    assert {(row["start_date"], row["end_date"]) for row in rows} == {(february, date(2026, 2, 28))}


def _add(sandbox: Sandbox, account: str, day: date, times: list[time]) -> None:
    """Visits at certain times."""
    wanted = set(sandbox.world.add_visits(account, day, len(times)))
    visits = [visit for visit in sandbox.world.visits(account, day) if visit.id in wanted]
    for visit, at in zip(visits, times, strict=True):
        visit.started = int(datetime.combine(day, at, UTC).timestamp())


def _lead(sandbox: Sandbox, account: str) -> str:
    sandbox.world.add_visits(account, DAY, 1)
    return sandbox.world.visits(account, DAY)[0].lead.id
