"""Dagster definitions: an asset for each vendor's stream and for each mart, a nightly schedule, backfills by day.

`dagster dev -m pipelines.orchestration` serves them. A run loads through `pipelines.sync`, so that positions, pieces
and locks are those of the command line (docs/decisions/0007). The destination is named by LEADHOUSE_DESTINATION.

The streams of a vendor that a run wants are loaded by one sync. A run of a partition loads exactly its days, as
`leadhouse sync --from … --to …` does; the nightly run loads what is new, as `leadhouse sync` does. A run that is tagged
with ACCOUNTS loads these accounts only: work is cut by vendor, account and range, and whatever executor the instance
has may take it to other machines. Everything that uses a vendor's secret is in the pool of the vendor's name: with its
limit at 1, no two runs share a budget (.dagster/).
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from dbt.cli.main import dbtRunner

from sources.clock import Clock
from sources.streams import Asked, Stream
from sources.windows import Days

from .environment import set_up
from .sync import StreamResult, Summary, sync
from .transform import PROJECT, transform
from .vendors import VENDORS, Vendor
from .warehouse import Warehouse

set_up()

# the first day that the partitions offer
FIRST_DAY = "2020-01-01"
MARTS = "marts"
NIGHTLY = "leadhouse/nightly"
# ids, separated by commas: a run that has this tag loads these accounts only
ACCOUNTS = "leadhouse/accounts"
# a night may fail and the next one makes up for it
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))
RETRIES = dg.RetryPolicy(max_retries=2, delay=600, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC", end_offset=1)
LOADED = ("ok", "skipped")


class Loader(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where to load to, and how long to wait for a vendor's limit."""

    destination: str = "duckdb"
    max_wait_minutes: int = 60

    def warehouse(self) -> Warehouse:
        """The warehouse, opened by nobody yet."""
        return Warehouse(self.destination, clock=Clock(), max_wait=timedelta(minutes=self.max_wait_minutes))

    def sync(self, vendor: Vendor, asked: Asked) -> Summary:
        """One vendor's sync."""
        wait = timedelta(minutes=self.max_wait_minutes)
        return sync(self.warehouse(), vendors=(vendor.name,), asked=asked, clock=Clock(), max_wait=wait)


def by_day(stream: Stream) -> bool:
    """Whether a stream can be loaded for some days."""
    return stream.by in ("day", "days", "window", "report")


def streams_on(vendor: Vendor) -> list[Stream]:
    """The streams that the settings turn on: none where the vendor has no key."""
    settings = vendor.package.settings()
    if not getattr(settings, vendor.secret):
        return []
    return [stream for stream in vendor.package.STREAMS if not stream.optional or getattr(settings, stream.optional)]


def streams_of(vendor: Vendor, *, daily: bool) -> dg.AssetsDefinition | None:
    """The assets of a vendor's streams, those that are loaded by day or those that are read whole."""
    streams = [stream for stream in streams_on(vendor) if by_day(stream) is daily]
    if not streams:
        return None
    specs = [
        dg.AssetSpec(
            [vendor.name, stream.name],
            description=stream.tables[0].about,
            metadata={"tables": [f"{vendor.name}.{table.name}" for table in stream.tables]},
            kinds={"dlt"},
            freshness_policy=FRESH,
        )
        for stream in streams
    ]

    @dg.multi_asset(
        name=f"{vendor.name}_{'days' if daily else 'whole'}",
        specs=specs,
        can_subset=True,
        group_name=vendor.name,
        partitions_def=DAYS if daily else None,
        # a backfill of a month is one run, and one sync
        backfill_policy=dg.BackfillPolicy.single_run() if daily else None,
        retry_policy=RETRIES,
        pool=vendor.name,
    )
    def load(context: dg.AssetExecutionContext, loader: Loader) -> Iterator[dg.MaterializeResult[Any]]:
        wanted = frozenset(key.path[-1] for key in context.selected_asset_keys)
        summary = loader.sync(vendor, Asked(_days(context) if daily else None, wanted, _accounts(context)))
        yield from _results(vendor, wanted, summary)

    return load


def _days(context: dg.AssetExecutionContext) -> Days | None:
    """The days of the run's partitions; None in the nightly run, which loads what is new."""
    if NIGHTLY in context.run.tags or not (context.has_partition_key or context.has_partition_key_range):
        return None
    span = context.partition_key_range
    return Days(date.fromisoformat(span.start), date.fromisoformat(span.end))


def _accounts(context: dg.AssetExecutionContext) -> frozenset[str] | None:
    """The accounts that the run's tag names; None for all of them."""
    named = context.run.tags.get(ACCOUNTS)
    return frozenset(account.strip() for account in named.split(",")) if named else None


def _results(vendor: Vendor, wanted: frozenset[str], summary: Summary) -> Iterator[dg.MaterializeResult[Any]]:
    """What has been loaded is materialized; what has not makes the run fail, and try again."""
    (result,) = summary.vendors
    lanes: dict[str, list[StreamResult]] = {name: [] for name in sorted(wanted)}
    for lane in result.streams:
        # a sync may load a stream besides, because the one that was asked for needs it
        lanes.setdefault(lane.stream, []).append(lane)
    for name in sorted(wanted):
        found = lanes[name]
        # a stream without a lane has no account to load, or was not come to
        if all(lane.status in LOADED for lane in found) and (found or not result.exit_code):
            yield dg.MaterializeResult(
                asset_key=[vendor.name, name],
                metadata={
                    "dagster/row_count": sum(lane.rows for lane in found),
                    "requests": sum(lane.requests for lane in found),
                    "accounts": len(found),
                    "status": ", ".join(sorted({lane.status for lane in found})) or "nothing to load",
                    "run_id": summary.run_id,
                },
            )
    if result.exit_code:
        lost = [f"{lane.stream} of {lane.account_id or vendor.name}: {lane.error}" for lane in result.streams]
        failed = [text for text, lane in zip(lost, result.streams, strict=True) if lane.status not in LOADED]
        # a wrong setting, and another run at work, are nothing that waiting mends by itself
        raise dg.Failure("; ".join(filter(None, [result.error, *failed])), allow_retries=not result.usage)


@cache
def manifest() -> Mapping[str, Any]:
    """What dbt makes of the models, without a database."""
    output = {"type": "duckdb", "path": ":memory:", "schema": MARTS}
    profile = {"leadhouse": {"target": "none", "outputs": {"none": output}}}
    with tempfile.TemporaryDirectory(prefix="leadhouse-") as folder:
        Path(folder, "profiles.yml").write_text(json.dumps(profile), encoding="utf-8")
        found = dbtRunner().invoke(
            [
                *("parse", "--project-dir", str(PROJECT), "--profiles-dir", folder, "--target-path", folder),
                *("--log-path", folder, "--log-level", "none", "--no-send-anonymous-usage-stats"),
                *("--no-partial-parse", "--no-version-check"),
            ]
        )
    if found.exception:
        raise found.exception
    assert found.result is not None
    return found.result.to_dict()  # type: ignore[union-attr]


def marts(known: Mapping[str, Any]) -> list[dg.AssetSpec]:
    """An asset for each mart; what is staged in between is not worth one."""
    nodes: Mapping[str, Any] = known["nodes"]

    on = {(vendor.name, stream.name) for vendor in VENDORS.values() for stream in streams_on(vendor)}

    def comes_from(unique_id: str) -> Iterator[tuple[str, str]]:
        for parent in nodes[unique_id]["depends_on"]["nodes"]:
            if parent.startswith("source."):
                _, _, dataset, table = parent.split(".")
                # a table that several streams fill comes from each of them
                yield from ((dataset, stream) for stream in _filling(dataset, table) if (dataset, stream) in on)
            elif nodes[parent]["schema"] == MARTS:
                yield MARTS, nodes[parent]["alias"]
            else:
                yield from comes_from(parent)

    return [
        dg.AssetSpec(
            [MARTS, node["alias"]],
            deps=[dg.AssetKey(list(key)) for key in sorted(set(comes_from(unique_id)))],
            description=node["description"],
            group_name=MARTS,
            kinds={"dbt"},
            freshness_policy=FRESH,
        )
        for unique_id, node in nodes.items()
        if node["resource_type"] == "model" and node["schema"] == MARTS
    ]


def _filling(dataset: str, table: str) -> Iterator[str]:
    if vendor := VENDORS.get(dataset):
        for stream in vendor.package.STREAMS:
            if any(filled.name == table for filled in stream.tables):
                yield stream.name


def models(known: Mapping[str, Any]) -> dg.AssetsDefinition:
    """The marts as assets that one transform builds and tests."""

    @dg.multi_asset(name=MARTS, specs=marts(known), retry_policy=RETRIES, pool=MARTS)
    def build(loader: Loader) -> Iterator[dg.MaterializeResult[Any]]:
        built = transform(loader.warehouse())
        for model in built.models:
            if not model.errors:
                _, name = model.model.split(".")
                tests = f"{model.tests} passed"
                yield dg.MaterializeResult(
                    asset_key=[MARTS, name], metadata={"dagster/row_count": model.rows or 0, "tests": tests}
                )
        if built.exit_code:
            raise dg.Failure("; ".join(built.every_error))

    return build


def definitions() -> dg.Definitions:
    """Everything."""
    loads = [
        assets for vendor in VENDORS.values() for daily in (True, False) if (assets := streams_of(vendor, daily=daily))
    ]
    built = models(manifest())
    building = dg.define_asset_job("transform", selection=list(built.keys))
    # a schedule of its own: what one vendor does not answer keeps no mart from being built
    schedules = [dg.ScheduleDefinition("nightly_transform", job=building, cron_schedule="15 6 * * *")]
    jobs = [building]
    if loads:
        loading = dg.define_asset_job("load", selection=[key for assets in loads for key in assets.keys])
        schedules.append(_nightly(loading))
        jobs.append(loading)
    return dg.Definitions(
        assets=[*loads, built],
        jobs=jobs,
        schedules=schedules,
        resources={"loader": Loader(destination=os.environ.get("LEADHOUSE_DESTINATION", "duckdb"))},
    )


def _nightly(job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(job=job, cron_schedule="15 4 * * *")
    def nightly_load(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """What is new, each night (UTC)."""
        today = context.scheduled_execution_time.date()
        return dg.RunRequest(run_key=f"{today}", partition_key=f"{today}", tags={NIGHTLY: "true"})

    return nightly_load


defs = definitions()
