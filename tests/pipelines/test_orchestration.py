"""Dagster: everything materialized in process on the sandbox, days by backfill, and what keeps runs apart."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]

from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from sources.clock import Clock
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


def materialized(result: "dg.ExecuteInProcessResult") -> "set[dg.AssetKey]":
    return {event.asset_key for event in result.get_asset_materialization_events() if event.asset_key}


def test_everything_is_materialized_and_days_by_a_backfill(
    room: Any, defs: "dg.Definitions", instance: "dg.DagsterInstance"
) -> None:
    dg = room.dg
    visits_key = dg.AssetKey(["leadfeeder_legacy", "visits"])
    graph = defs.resolve_asset_graph()
    streams = {(v.name, s.name) for v in VENDORS.values() for s in v.package.STREAMS if not s.optional}
    assert streams == {tuple(key.path) for key in graph.get_all_asset_keys() if key.path[0] != "marts"}
    (visits,) = (spec for spec in defs.resolve_all_asset_specs() if spec.key.path == ["marts", "visits"])
    assert {visits_key, dg.AssetKey(["leadfeeder", "visits"])} <= {dep.asset_key for dep in visits.deps}

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
    assert {key.path[0] for key in materialized(built)} == {"marts"}
    assert len(materialized(built)) == len([1 for key in graph.get_all_asset_keys() if key.path[0] == "marts"])

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
    (failure,) = (event for event in ran.all_events if event.is_step_failure)
    assert "another run of leedo is at work on this warehouse" in str(failure.step_failure_data.user_failure_data)


def test_what_keeps_runs_apart_and_fresh(defs: "dg.Definitions") -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        op = graph.get(key).assets_def.op
        # the pool of a secret is named after its vendor
        assert op.pool == key.path[0]
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


def test_a_house_without_keys_has_its_marts(room: Any) -> None:
    graph = room.definitions().resolve_asset_graph()
    assert {key.path[0] for key in graph.get_all_asset_keys()} == {"marts"}
