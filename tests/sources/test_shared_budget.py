"""Several machines that use one secret keep one limit, through a database that they all reach."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pipelines.sync import sync
from pipelines.vendors import VENDORS, Vendor
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sandbox.requests_log import Seen
from sources.budget import Budget, Limit
from sources.clock import StoppedError
from sources.errors import QuotaError, SettingError
from sources.ledger import MemoryLedger
from sources.shared_budget import LOOK_AGAIN, OUTAGE, SharedDatabase
from sources.streams import Asked
from tests.conftest import FakeClock
from tests.pipelines.cli_process import FIRST_DAY, LAST_DAY, leadhouse, start

FIVE_AN_HOUR = Limit(5, timedelta(hours=1))
SECRET, PASSWORD = "key-of-the-vendor", "hush-hush"

Machine = Callable[..., Budget]


@pytest.fixture
def machine(postgres: str, clock: FakeClock) -> Iterator[Machine]:
    """Makes the budgets of machines that have the same settings."""
    made: list[Budget] = []

    def make(
        *limits: Limit, kind: str = "requests", vendor: str = "vendor", secret: str = SECRET, more: str = ""
    ) -> Budget:
        shared = SharedDatabase(postgres + more, vendor=vendor, secret=secret, clock=clock)
        made.append(Budget(*limits or (FIVE_AN_HOUR,), clock=clock, shared=shared, kind=kind))
        return made[-1]

    yield make
    for budget in made:
        budget.close()


@pytest.fixture
def execute(postgres: str) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """Runs a statement in the database; `{table}` is the table of the budget."""
    with closing(psycopg.connect(postgres, autocommit=True)) as connection:

        def run(statement: str) -> list[tuple[object, ...]]:
            named = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchone()
            table = named[0] if named else ""
            cursor = connection.execute(statement.replace("{table}", table))
            return cursor.fetchall() if cursor.description else []

        yield run


Execute = Callable[[str], list[tuple[object, ...]]]


def taken(budget: Budget, times: int) -> list[float]:
    return [budget.take() for _ in range(times)]


class TestSeveralMachines:
    def test_keep_one_limit(self, machine: Machine) -> None:
        one, other = machine(), machine()
        assert taken(one, 3) + taken(other, 2) == [0.0] * 5
        for budget in (one, other):
            assert 3500 < budget.take() <= 3640
            assert 3500 < budget.pause <= 3640

    def test_keep_it_when_all_ask_at_once(self, machine: Machine) -> None:
        budgets = [machine(Limit(60, timedelta(hours=1))) for _ in range(6)]
        with ThreadPoolExecutor(len(budgets)) as pool:
            waits = [wait for found in pool.map(lambda budget: taken(budget, 20), budgets) for wait in found]
        # nobody is turned away while there is room
        assert waits.count(0.0) == 60
        assert min(wait for wait in waits if wait) > 3500

    def test_keep_several_limits_at_once(self, machine: Machine) -> None:
        limits = (Limit(2, timedelta(hours=1)), Limit(3, timedelta(days=1)))
        one, other = machine(*limits), machine(*limits)
        assert [one.take(), other.take()] == [0.0, 0.0]
        assert 3500 < one.take() <= 3640

    def test_have_one_clock_the_databases(self, machine: Machine, execute: Execute, clock: FakeClock) -> None:
        one, other = machine(), machine()
        taken(one, 5)
        clock.move(timedelta(days=1))
        assert other.take() > 3500
        execute("UPDATE {table} SET item_timestamp = item_timestamp - interval '61 minutes'")
        assert taken(other, 5) == [0.0] * 5
        assert one.take() > 3500

    def test_have_one_time_zone(self, machine: Machine) -> None:
        west, east = machine(more="?options=-ctimezone%3DAmerica/Los_Angeles"), machine()
        assert taken(west, 5) == [0.0] * 5
        assert 3500 < east.take() <= 3640

    def test_keep_no_more_than_the_windows_need(self, machine: Machine, execute: Execute) -> None:
        taken(machine(), 5)
        execute("UPDATE {table} SET item_timestamp = item_timestamp - interval '61 minutes'")
        assert machine().take() == 0.0
        assert execute("SELECT count(*) FROM {table}") == [(1,)]

    def test_share_nothing_between_secrets_vendors_and_kinds(self, machine: Machine, execute: Execute) -> None:
        budgets = [machine(), machine(secret="another"), machine(vendor="another"), machine(kind="exports")]
        for budget in budgets:
            assert taken(budget, 5) == [0.0] * 5
        tables = [str(name) for (name,) in execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert len(tables) == 4
        assert not any(SECRET in name or "another_another" in name for name in tables)


class TestWhatTheVendorSaid:
    def test_what_was_taken_before_its_window_began_counts_no_more(
        self, machine: Machine, execute: Execute, clock: FakeClock
    ) -> None:
        one, other = machine(), machine()
        taken(one, 3)
        execute("UPDATE {table} SET item_timestamp = item_timestamp - interval '1 minute'")
        taken(other, 2)
        one.lower(0, 1800)
        assert one.take() == pytest.approx(1800)
        clock.move(timedelta(seconds=1830))
        # the window is half a minute old: three are of the one before, two of this one
        assert taken(one, 3) == [0.0] * 3
        assert other.take() > 3500

    def test_a_hold_is_the_machines_own(self, machine: Machine) -> None:
        one, other = machine(), machine()
        one.hold(60)
        assert one.take() == one.pause == pytest.approx(60)
        assert other.take() == other.pause == 0.0


class TestADatabaseThatIsNotThere:
    @pytest.mark.parametrize(
        "dsn",
        [
            f"postgresql://user:{PASSWORD}@127.0.0.1:1/nothing",
            f"postgresql://user:p@{PASSWORD}@127.0.0.1:1/nothing",
            f"postgresql://user:{PASSWORD}@127.0.0.1:no-port/nothing",
            f"postgres//user:{PASSWORD}@127.0.0.1/nothing",
            f"{PASSWORD} no=dsn",
        ],
    )
    def test_is_a_wrong_setting_and_the_password_is_not_told(
        self, dsn: str, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        budget = Budget(
            FIVE_AN_HOUR, clock=clock, shared=SharedDatabase(dsn, vendor="vendor", secret=SECRET, clock=clock)
        )
        for _ in range(2):
            with pytest.raises(SettingError, match=r"of sources\.vendor\.shared_budget cannot be used") as e:
                budget.acquire()
            assert PASSWORD not in str(e.value) + caplog.text
        assert e.value.__cause__ is None
        assert e.value.__suppress_context__

    def test_the_servers_reason_is_told(self, machine: Machine, execute: Execute, postgres: str) -> None:
        name = postgres.rpartition("/")[2]
        execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with pytest.raises(SettingError, match="read-only transaction"):
            machine().take()

    @pytest.mark.parametrize("setting", ["SOURCES__SHARED_BUDGET", "SOURCES__LEADFEEDER__SHARED_BUDGET"])
    def test_ends_the_command_before_anything_is_asked(
        self, setting: str, serve: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sandbox = serve()
        monkeypatch.setenv(setting, f"postgresql://user:{PASSWORD}@127.0.0.1:1/nothing")
        ended = leadhouse("sync", "leadfeeder", "--debug")
        assert ended.exit_code == 2
        assert "sources.leadfeeder.shared_budget cannot be used" in ended.stderr
        assert PASSWORD not in ended.stdout + ended.stderr
        assert not len(sandbox.requests)


class TestADatabaseThatGoesAway:
    @pytest.fixture
    def disconnect(self, postgres: str, postgres_server: str) -> Iterator[Callable[[bool], None]]:
        """Ends all connections to the database; with False, there are no new ones either."""
        name = postgres.rpartition("/")[2]
        with closing(psycopg.connect(f"{postgres_server}/postgres", autocommit=True)) as connection:

            def run(allowed: bool) -> None:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

            yield run

    def test_is_gone_on_with_when_it_is_back(
        self, machine: Machine, disconnect: Callable[[bool], None], clock: FakeClock
    ) -> None:
        budget = machine()
        taken(budget, 3)
        disconnect(True)
        assert budget.pause == 0.0
        disconnect(True)
        assert budget.acquire() <= LOOK_AGAIN
        assert taken(budget, 1) == [0.0]
        assert budget.take() > 3500

    def test_is_waited_for_and_then_ends_the_vendor(
        self, machine: Machine, disconnect: Callable[[bool], None], clock: FakeClock
    ) -> None:
        budget = machine()
        taken(budget, 1)
        before = clock.monotonic()
        disconnect(False)
        with pytest.raises(QuotaError, match="is away, and nothing is asked without it"):
            budget.acquire()
        assert clock.monotonic() - before == pytest.approx(OUTAGE)
        disconnect(True)
        with pytest.raises(QuotaError):
            budget.take()

    def test_keeps_what_has_been_loaded(
        self,
        postgres: str,
        disconnect: Callable[[bool], None],
        clock: FakeClock,
        serve: Callable[..., Sandbox],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sandbox = serve(limits=False)
        monkeypatch.setenv("SOURCES__SHARED_BUDGET", postgres)
        monkeypatch.setenv("SOURCES__LEADFEEDER__REQUESTS_PER_SECOND", "10000")
        note = sandbox.requests.add

        def add(seen: Seen) -> None:
            note(seen)
            if seen.path == "/tags":
                disconnect(False)

        monkeypatch.setattr(sandbox.requests, "add", add)
        summary = sync(Warehouse("duckdb", clock=clock), vendors=["leadfeeder"], clock=clock)
        assert summary.exit_code == 1
        streams = summary.vendors[0].streams
        assert {stream.stream for stream in streams if stream.status == "ok"} >= {"accounts", "custom_feeds", "visits"}
        failed = [stream for stream in streams if stream.status == "failed"]
        assert {stream.stream for stream in failed} >= {"lists", "list_items", "usage"}
        for stream in failed:
            assert "the database of sources.leadfeeder.shared_budget is away" in str(stream.error)


@pytest.mark.parametrize("vendor", [*VENDORS.values()], ids=[*VENDORS])
def test_nothing_is_taken_when_the_run_is_over(
    vendor: Vendor, postgres: str, clock: FakeClock, serve: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    monkeypatch.setenv("SOURCES__SHARED_BUDGET", postgres)
    run = vendor.package.open_run(
        vendor.package.settings(),
        clock=clock,
        ledger=MemoryLedger(),
        asked=Asked(),
        max_wait=timedelta(hours=1),
        wait=True,
    )
    assert run.session.budget.take() == 0.0
    run.close()
    with pytest.raises(StoppedError):
        run.session.budget.take()


def test_every_request_is_counted_and_exports_by_themselves(
    postgres: str, execute: Execute, clock: FakeClock, serve: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(limits=False)
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__SHARED_BUDGET", postgres)
    # the database's clock does not move with the test's
    for name in ("REQUESTS_PER_MINUTE", "EXPORT_REQUESTS_PER_MINUTE"):
        monkeypatch.setenv(f"SOURCES__LEADFEEDER_LEGACY__{name}", "10000")
    asked = Asked(streams=frozenset({"feed_leads"}))
    summary = sync(Warehouse("duckdb", clock=clock), vendors=["leadfeeder_legacy"], asked=asked, clock=clock)
    assert summary.exit_code == 0
    tables = [str(name) for (name,) in execute("SELECT tablename FROM pg_tables ORDER BY tablename")]
    counted = [execute(f"SELECT count(*) FROM {name}")[0][0] for name in tables if "leadfeeder_legacy" in name]
    posted = sandbox.requests.count(method="POST")
    assert posted > 0
    assert counted == [posted, len(sandbox.requests)]


def test_two_processes_keep_one_limit(postgres: str, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(World(today=LAST_DAY, days=5, accounts=2, visits_per_day=8)) as sandbox:
        # the documented rate, which each of them would use up alone; a busy machine may send a second's requests late
        sandbox.leadfeeder.options.burst = 20
        for name, value in sandbox.settings().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SOURCES__LEADFEEDER__START_DATE", FIRST_DAY.isoformat())
        monkeypatch.setenv("SOURCES__SHARED_BUDGET", postgres)
        started = []
        for machine in ("one", "other"):
            folder = house / machine
            folder.mkdir()
            monkeypatch.chdir(folder)
            monkeypatch.setenv("DLT_DATA_DIR", str(folder / "dlt"))
            started.append(start("sync", "leadfeeder"))
        ended = [each.wait(60) for each in started]
    assert [each.exit_code for each in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    assert sandbox.requests.count() > 60
    assert sandbox.requests.count(status=429) == 0
