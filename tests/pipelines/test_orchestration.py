"""Dagster: everything materialized in process on the sandbox, days by backfill, and what keeps runs apart."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]

from pipelines.transform import SCHEMAS
from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse, WarehouseError
from sandbox import Sandbox
from sources.clock import Clock
from tests.conftest import FakeClock
from tests.docs.pages import ROOT, blocks, text
from tests.pipelines.cli_process import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    import dagster as dg

PAGE = "docs/schedules.md"

# what Dagster says of its own future is nothing to these tests
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def room() -> Any:
    """The module under test: it takes seconds to import, which only those who run these tests spend."""
    from pipelines import orchestration

    return orchestration


@pytest.fixture
def defs(room: Any, vendors: Sandbox) -> "dg.Definitions":
    """What a code location has with these settings."""
    found: dg.Definitions = room.definitions()
    return found


@pytest.fixture
def instance(room: Any) -> "Iterator[dg.DagsterInstance]":
    with room.dg.DagsterInstance.ephemeral() as found:
        yield found


def held() -> Warehouse:
    return Warehouse("duckdb", clock=Clock())


def models_of(graph: Any) -> "set[dg.AssetKey]":
    return {key for key in graph.get_all_asset_keys() if key.path[0] in SCHEMAS}


def failure_of(result: "dg.ExecuteInProcessResult") -> Any:
    (failure,) = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    return failure.user_failure_data


def materialized(result: "dg.ExecuteInProcessResult") -> "set[dg.AssetKey]":
    return {event.asset_key for event in result.get_asset_materialization_events() if event.asset_key}


def test_everything_is_materialized_and_days_by_a_backfill(
    room: Any, defs: "dg.Definitions", instance: "dg.DagsterInstance"
) -> None:
    dg = room.dg
    visits_key, mart_key = dg.AssetKey(["leadfeeder_legacy", "visits"]), dg.AssetKey(["marts", "visits"])
    graph = defs.resolve_asset_graph()
    streams = {(v.name, s.name) for v in VENDORS.values() for s in v.package.STREAMS if not s.optional}
    assert streams == {tuple(key.path) for key in graph.get_all_asset_keys() - models_of(graph)}
    # a model is built of models, and these of the streams that fill their tables
    locations = dg.AssetKey(["staging", "leadfeeder_locations"])
    assert locations in graph.get(dg.AssetKey(["staging", "all_locations"])).parent_keys
    filling = {("leadfeeder", name) for name in ("visits", "visitor_companies", "feed_companies")}
    assert graph.get(locations).parent_keys == {dg.AssetKey(list(each)) for each in filling}

    # the nightly run loads what is new, not its partition: with it the positions move
    today = f"{datetime.now(UTC).date()}"
    load = defs.resolve_job_def("load")
    ran = load.execute_in_process(partition_key=today, tags={room.NIGHTLY: "true"}, instance=instance)
    assert ran.success
    assert materialized(ran) == {dg.AssetKey(list(each)) for each in streams}
    held_visits = held().query("SELECT visit_date, count(*) FROM leadfeeder_legacy.visits GROUP BY 1 ORDER BY 1")
    assert held_visits[0][0] == FIRST_DAY
    built = defs.resolve_job_def("transform").execute_in_process(instance=instance)
    assert built.success
    assert materialized(built) == models_of(graph)
    checks = built.get_asset_check_evaluations()
    assert {each.asset_check_key for each in checks} == graph.asset_check_keys
    assert len(checks) > 50
    assert all(each.passed for each in checks)
    (mart,) = (each for each in built.asset_materializations_for_node("models") if each.asset_key == mart_key)
    assert mart.metadata["dagster/row_count"].value == sum(visits for _, visits in held_visits) > 0

    # some models: their own tests only, one that fails takes nothing away, and what says of which days all marts are
    # built is true of whole runs only
    with held().open() as client:
        for table in ("visits", "feeds"):
            nobodys = f"SELECT * REPLACE ('nobody' AS account_id) FROM marts.{table} LIMIT 1"
            client.execute_sql(f"INSERT INTO marts.{table} {nobodys}")
    wanted = {dg.AssetKey(["marts", name]) for name in ("accounts", "visits", "traffic_sources")}
    some = dg.materialize(
        [graph.get(mart_key).assets_def],
        selection=[*wanted, dg.AssetKey(["staging", room.BUILT])],
        instance=instance,
        raise_on_error=False,
    )
    assert not some.success
    assert materialized(some) == wanted
    assert {each.asset_key for each in some.get_asset_check_evaluations()} == wanted
    failed = {each.check_name for each in some.get_asset_check_evaluations() if not each.passed}
    assert failed == {f"refers_{table}_account_id__ref_accounts_" for table in ("visits", "traffic_sources")}
    assert all(name in failure_of(some).description for name in failed)
    assert "refers_feeds" not in failure_of(some).description
    assert not any(event.is_step_up_for_retry for event in some.all_events)
    assert ("nobody",) in held().query("SELECT account_id FROM marts.traffic_sources")

    # one partition of one stream: exactly this day is loaded, and nothing else is touched
    last = held_visits[-1][0]
    with held().open() as client:
        client.execute_sql("DELETE FROM leadfeeder_legacy.visits")
    asset = graph.get(visits_key).assets_def  # its resources are bound to it
    again = dg.materialize(
        [asset],
        selection=[visits_key],
        partition_key=f"{last}",
        instance=instance,
    )
    assert again.success
    assert materialized(again) == {visits_key}
    assert held().query("SELECT visit_date, count(*) FROM leadfeeder_legacy.visits GROUP BY 1") == [held_visits[-1]]
    asked = held().query("SELECT window_start, window_end FROM ops.runs ORDER BY started_at DESC LIMIT 2")
    assert set(asked) == {(last, last)}

    # several partitions in one run are one sync, and a tag says of which accounts
    [(runs,)] = held().query("SELECT count(*) FROM ops.runs")
    first = f"{last - timedelta(days=1)}"
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": f"{last}"}
    dg.materialize([asset], selection=[visits_key], tags=tags | {room.ACCOUNTS: "6002"}, instance=instance)
    days = "SELECT DISTINCT account_id, visit_date FROM leadfeeder_legacy.visits ORDER BY 1, 2"
    assert held().query(days) == [("6001", last), ("6002", last - timedelta(days=1)), ("6002", last)]
    assert held().query("SELECT count(*) FROM ops.runs") == [(runs + 1,)]
    dg.materialize([asset], selection=[visits_key], tags=tags, instance=instance)
    assert held().query(days)[:2] == [("6001", last - timedelta(days=1)), ("6001", last)]
    assert held().query("SELECT count(*) FROM ops.runs") == [(runs + 3,)]


def test_what_fails_is_one_vendors_failure(room: Any, defs: "dg.Definitions", instance: "dg.DagsterInstance") -> None:
    load = defs.resolve_job_def("load")
    with held().vendor_lock("leedo"):
        ran = load.execute_in_process(
            partition_key=f"{LAST_DAY}",
            tags={room.NIGHTLY: "true"},
            instance=instance,
            raise_on_error=False,
        )
    assert not ran.success
    assert {key.path[0] for key in materialized(ran)} == set(VENDORS) - {"leedo"}
    assert "another run of leedo is at work on this warehouse" in failure_of(ran).description


def test_what_keeps_runs_apart_and_fresh(room: Any, defs: "dg.Definitions") -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        op = graph.get(key).assets_def.op
        # the pool of a secret is named after its vendor
        assert op.pool == (room.MARTS if key.path[0] in SCHEMAS else key.path[0])
        assert op.retry_policy
        assert op.retry_policy.max_retries
    dagster = yaml.safe_load((ROOT / ".dagster/dagster.yaml").read_text(encoding="utf-8"))
    assert dagster["concurrency"]["pools"]["default_limit"] == 1
    assert dagster["telemetry"] == {"enabled": False}
    assert all(spec.freshness_policy for spec in defs.resolve_all_asset_specs())


def test_the_nightly_schedule_asks_for_what_is_new(
    room: Any, defs: "dg.Definitions", instance: "dg.DagsterInstance"
) -> None:
    schedule = defs.resolve_schedule_def("nightly_load")
    night = datetime(2026, 3, 18, 4, 15, tzinfo=UTC)
    context = room.dg.build_schedule_context(
        instance=instance, scheduled_execution_time=night, repository_def=defs.get_repository_def()
    )
    (asked,) = schedule.evaluate_tick(context).run_requests or ()
    assert asked.partition_key == "2026-03-18"
    assert room.NIGHTLY in asked.tags


def test_the_page_starts_it_and_names_its_schedules(room: Any, defs: "dg.Definitions") -> None:
    (command,) = blocks(PAGE, "sh")
    assert command.split()[-1] == room.__name__
    assert all(f"`{schedule.name}`" in text(PAGE) for schedule in defs.schedules or ())
    assert f"`{room.ACCOUNTS}`" in text(PAGE)


def test_a_house_without_keys_builds_its_models_where_it_is_told_to(
    room: Any,
    instance: "dg.DagsterInstance",
    postgres: str,
    house: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LEADHOUSE_DESTINATION", "postgres")
    monkeypatch.setattr(room, "RETRIES", None)
    defs = room.definitions()
    graph = defs.resolve_asset_graph()
    assert models_of(graph) == graph.get_all_asset_keys()
    assert all(spec.kinds == {"dbt", "postgres"} for spec in defs.resolve_all_asset_specs())

    # what fails takes nothing from what does not
    accounts, changed = (room.dg.AssetKey(["staging", name]) for name in ("leadfeeder_accounts", "changed_days"))
    ran = room.dg.materialize(
        [graph.get(accounts).assets_def], selection=[accounts, changed], instance=instance, raise_on_error=False
    )
    assert materialized(ran) == {accounts}
    assert 'relation "staging.days" does not exist' in failure_of(ran).description
    told = "".join(capfd.readouterr()) + "".join(map(str, ran.all_events))
    told += "".join(path.read_text("utf-8", "replace") for path in house.parent.rglob("*") if path.is_file())
    assert "staging.days" in told
    assert "not-a-secret" not in told


def test_the_file_is_lent_to_another_process(house: Path, clock: FakeClock) -> None:
    lender, other = Warehouse("duckdb", clock=clock), Warehouse("duckdb", clock=clock, max_wait=timedelta(0))
    with lender.lend():
        opens = "import duckdb; duckdb.connect('leadhouse.duckdb').execute('CREATE TABLE t (n INT)')"
        subprocess.run([sys.executable, "-c", opens], check=True, timeout=60)
        with pytest.raises(WarehouseError, match="is being loaded by another run"):
            other.query("SELECT 1")
    assert other.query("SELECT count(*) FROM t") == [(0,)]
