"""Dagster definitions: an asset for each vendor's stream and each model, nightly schedules, backfills by day.

`dagster dev -m pipelines.orchestration` serves them. The assets are those that dagster-dlt makes of the vendors' dlt
sources and dagster-dbt of the models; streams are loaded through `pipelines.sync`, so that positions, pieces and locks
are those of the command line (docs/decisions/0007). The destination is named by LEADHOUSE_DESTINATION.

The streams of a vendor that a run wants are loaded by one sync. A run of a partition loads exactly its days, as
`leadhouse sync --from … --to …` does; the nightly run loads what is new, as `leadhouse sync` does. A run that is tagged
with ACCOUNTS loads these accounts only: work is cut by vendor, account and range, and whatever executor the instance
has may take it to other machines. Everything that uses a vendor's secret is in the pool of the vendor's name: with its
limit at 1, no two runs share a budget (.dagster/).
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtCliResource, DbtProject, dbt_assets
from dagster_dlt import DagsterDltTranslator, build_dlt_asset_specs
from dagster_dlt.translator import DltResourceTranslatorData
from dbt.cli.main import dbtRunner
from dbt.version import __version__ as dbt_version
from packaging.version import Version

from sources.clock import Clock
from sources.streams import Asked
from sources.windows import Days

from .environment import set_up
from .sync import StreamResult, Summary, sync
from .transform import PROJECT, SCHEMAS, options, profiles, require_models
from .vendors import VENDORS, Vendor
from .warehouse import Warehouse

set_up()

# the first day that the partitions offer
FIRST_DAY = "2020-01-01"
# the pool of the models
MARTS = "marts"
# the model that says which days the others are built of: true only where all of them are
BUILT = "built_days"
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


@dataclass
class StreamTranslator(DagsterDltTranslator):
    """What is shown of a vendor's stream."""

    vendor: Vendor
    destination: str

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        (stream,) = (each for each in self.vendor.package.STREAMS if each.name == data.resource.name)
        tables = [f"{self.vendor.name}.{table.name}" for table in stream.tables]
        columns = [dg.TableColumn(each.name, each.type, each.about) for each in stream.tables[0].columns]
        return dg.AssetSpec(
            [self.vendor.name, stream.name],
            description=stream.tables[0].about,
            group_name=self.vendor.name,
            kinds={"dlt", self.destination},
            metadata={
                "tables": tables,
                "dagster/table_name": tables[0],
                "dagster/column_schema": dg.TableSchema(columns),
            },
            freshness_policy=FRESH,
        )


def streams_of(vendor: Vendor, destination: str) -> Iterator[dg.AssetsDefinition]:
    """The assets of a vendor's streams, those that are loaded by day and those that are read whole; none without a key.

    Raises SettingError.
    """
    if not getattr(vendor.package.settings(), vendor.secret):
        return
    by_day = {stream.name for stream in vendor.package.STREAMS if stream.by in ("day", "days", "window", "report")}
    # there is no pipeline yet: to make one is to touch its folder, which may be done by whoever has the vendor's lock
    specs = build_dlt_asset_specs(vendor.source(), None, StreamTranslator(vendor, destination))  # type: ignore[arg-type]
    for daily in (True, False):
        if chosen := [spec for spec in specs if (spec.key.path[-1] in by_day) is daily]:
            yield _loading(vendor, chosen, daily=daily)


def _loading(vendor: Vendor, specs: list[dg.AssetSpec], *, daily: bool) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{vendor.name}_{'days' if daily else 'whole'}",
        specs=specs,
        can_subset=True,
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
        written: dict[str, Any] = json.loads(Path(folder, "manifest.json").read_text(encoding="utf-8"))
    return written


class ModelTranslator(DagsterDbtTranslator):
    """What is shown of a model; a table of a vendor's is the streams that fill it, of those that are `on`."""

    def __init__(self, on: frozenset[dg.AssetKey], destination: str) -> None:
        super().__init__()
        self._on = on
        self._destination = destination

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        if not unique_id.startswith("model."):
            return spec
        node = manifest["nodes"][unique_id]
        return spec.replace_attributes(
            deps=sorted({key for parent in node["depends_on"]["nodes"] for key in self._keys(manifest, parent)}),
            group_name=node["schema"],
            kinds={"dbt", self._destination},
            metadata={
                **spec.metadata,
                "dagster/table_name": f"{node['schema']}.{node['alias']}",
                "dagster/storage_kind": self._destination,
            },
            freshness_policy=FRESH,
        )

    def _keys(self, manifest: Mapping[str, Any], unique_id: str) -> Iterator[dg.AssetKey]:
        if not unique_id.startswith("source."):
            yield self.get_asset_key(manifest["nodes"][unique_id])
            return
        _, _, dataset, table = unique_id.split(".")
        for stream in VENDORS[dataset].package.STREAMS if dataset in VENDORS else ():
            key = dg.AssetKey([dataset, stream.name])
            if key in self._on and any(filled.name == table for filled in stream.tables):
                yield key


class Dbt(DbtCliResource):
    """dbt in a process of its own, which alone has the database."""

    @cached_property
    def _cli_version(self) -> Version:
        # dbt would be started to say so, and ask the registry for the latest one
        return Version(dbt_version)

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:  # noqa: ARG002
        # a second way to the database, in this process
        return None


def models(known: Mapping[str, Any], translator: ModelTranslator) -> dg.AssetsDefinition:
    """The models as assets that dbt builds, and their tests as checks of them."""

    @dbt_assets(manifest=known, name="models", dagster_dbt_translator=translator, retry_policy=RETRIES, pool=MARTS)
    def build(context: dg.AssetExecutionContext, loader: Loader) -> Iterator[Any]:
        warehouse = loader.warehouse()
        require_models(warehouse)
        errors: dict[str, Exception] = {}
        with warehouse.vendor_lock("transform"), profiles(warehouse) as folder:
            beside = Path(sys.executable).with_name("dbt")
            dbt = Dbt(project_dir=str(PROJECT), profiles_dir=str(folder), dbt_executable=str(beside))
            for words in _commands(context):
                with warehouse.lend():
                    begun = dbt.cli(
                        [*words, *options(warehouse, folder)],
                        context=context,
                        target_path=warehouse.working_dir / "dbt" / "target",
                        raise_on_error=False,
                    )
                    events = _told(begun)
                with warehouse.open():
                    events = [_counted(warehouse, known, event) for event in events]
                    warehouse.publish(*SCHEMAS, tidy=True)
                yield from events
                if error := begun.get_error():
                    errors[words[0]] = error
        if errors:
            # rows that fail a test fail it again
            raise dg.Failure("\n\n".join(map(str, errors.values())), allow_retries="run" in errors)

    return build


def _commands(context: dg.AssetExecutionContext) -> Iterator[list[str]]:
    """What dbt does: models first, so that a test that fails keeps nothing from being built."""
    if context.selected_asset_keys:
        yield ["run", *(["--exclude", BUILT] if context.is_subset else [])]
    if tests := sorted(key.name for key in context.selected_asset_check_keys):
        # the tests of these models, and not those of others that mention them
        yield ["test", "--indirect-selection", "empty", "--select", " ".join(tests)]


def _told(begun: DbtCliInvocation) -> list[Any]:
    """What dbt has told Dagster: it is over when this returns, however it does."""
    try:
        return list(begun.stream())
    finally:
        begun.process.kill()
        begun.process.wait()


def _counted(warehouse: Warehouse, known: Mapping[str, Any], event: Any) -> Any:
    """The same event; where it is a mart's, with the mart's rows."""
    if not isinstance(event, dg.Output):
        return event
    node = known["nodes"][event.metadata["unique_id"].value]
    if node["schema"] != MARTS:
        return event
    [(rows,)] = warehouse.query(f"SELECT count(*) FROM {node['schema']}.{node['alias']}")  # noqa: S608 — own names
    return event.with_metadata({**event.metadata, "dagster/row_count": rows})


def definitions() -> dg.Definitions:
    """Everything. Raises SettingError where a vendor's settings are wrong."""
    destination = os.environ.get("LEADHOUSE_DESTINATION", "duckdb")
    loads = [assets for vendor in VENDORS.values() for assets in streams_of(vendor, destination)]
    on = frozenset(key for assets in loads for key in assets.keys)
    built = models(manifest(), ModelTranslator(on, destination))
    building = dg.define_asset_job("transform", selection=list(built.keys))
    # a schedule of its own: what one vendor does not answer keeps no mart from being built
    schedules = [dg.ScheduleDefinition("nightly_transform", job=building, cron_schedule="15 6 * * *")]
    jobs = [building]
    if loads:
        loading = dg.define_asset_job("load", selection=list(on))
        schedules.append(_nightly(loading))
        jobs.append(loading)
    return dg.Definitions(
        assets=[*loads, built],
        jobs=jobs,
        schedules=schedules,
        resources={"loader": Loader(destination=destination)},
    )


def _nightly(job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(job=job, cron_schedule="15 4 * * *")
    def nightly_load(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """What is new, each night (UTC)."""
        today = context.scheduled_execution_time.date()
        return dg.RunRequest(run_key=f"{today}", partition_key=f"{today}", tags={NIGHTLY: "true"})

    return nightly_load


defs = definitions()
