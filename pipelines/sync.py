"""A sync: plan → run piece by piece → record.

Vendors run side by side, each in a thread of its own. A piece is extracted, normalized and loaded before the next one
is begun; the position moves with it. What a crash left behind is loaded before anything new is read.
"""

import logging
import traceback
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.schema.typing import LOADS_TABLE_NAME
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from dlt.load.exceptions import LoadClientJobRetry
from dlt.pipeline.exceptions import PipelineStepFailed

from sources.clock import Clock, StoppedError
from sources.errors import NotEntitledError, SettingError, SourceError
from sources.lanes import Lane, Status
from sources.positions import Positions
from sources.runs import Run
from sources.streams import Asked, Stream
from sources.tables import Table

from .destination import first_line
from .environment import give_back_memory
from .ledger import WarehouseLedger
from .ops import Unsettled, record, record_incomplete, record_killed, record_loaded, unsettled
from .packages import begin_again, put_away
from .remembered import settings_stay
from .vendors import VENDORS, Vendor
from .warehouse import OPS, Warehouse, WarehouseError

log = logging.getLogger(__name__)

OK, INCOMPLETE, USAGE = 0, 1, 2
# seconds that an interrupted run is given to write down how far it came
FAREWELL = 3.0
# how often a package is loaded while the database has passing troubles
ATTEMPTS = 5


@dataclass(frozen=True)
class StreamResult:
    """What became of one stream of one account: a row of `ops.runs`."""

    account_id: str | None
    stream: str
    started_at: datetime
    finished_at: datetime | None
    status: str
    window_start: str | None
    window_end: str | None
    rows: int
    requests: int
    retries: int
    seconds_waited: float
    credits_charged: int | None
    error: str | None
    notes: list[str]


@dataclass
class VendorResult:
    """What became of one vendor. `error` is what kept the whole of it from being loaded."""

    vendor: str
    streams: list[StreamResult] = field(default_factory=list)
    error: str | None = None
    usage: bool = False

    @property
    def exit_code(self) -> int:
        if self.usage:
            return USAGE
        kept_away = self.error or any(s.status not in ("ok", "skipped") for s in self.streams)
        return INCOMPLETE if kept_away else OK


@dataclass
class Summary:
    """What became of a run; `off` are the vendors without a secret, with the setting that turns each on."""

    run_id: str
    destination: str
    started_at: datetime
    finished_at: datetime | None = None
    vendors: list[VendorResult] = field(default_factory=list)
    off: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        codes = [vendor.exit_code for vendor in self.vendors]
        # everybody refused to start: nothing was tried
        return USAGE if codes and set(codes) == {USAGE} else INCOMPLETE if any(codes) else OK

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values, for `--json`."""
        plain = asdict(self)
        plain["exit_code"] = self.exit_code
        plain["rows"] = sum(stream.rows for vendor in self.vendors for stream in vendor.streams)
        plain["requests"] = sum(stream.requests for vendor in self.vendors for stream in vendor.streams)
        return plain


Watch = Callable[[str, Run], None]


@settings_stay()
def sync(
    warehouse: Warehouse,
    *,
    vendors: Sequence[str] = (),
    asked: Asked = Asked(),
    clock: Clock,
    max_wait: timedelta = timedelta(hours=1),
    wait: bool = True,
    watch: Watch | None = None,
) -> Summary:
    """Load what is new, or the days of a backfill, for each configured vendor.

    `watch` is told of each vendor's run when it begins. Raises SettingError where nothing can be tried.
    """
    # Arrow's own allocators keep what many threads have let go of: hundreds of megabytes
    pa.set_memory_pool(pa.system_memory_pool())
    summary = Summary(uuid.uuid4().hex, warehouse.name, clock.now())
    opened = _open_runs(vendors, asked, summary, partial(_open_run, warehouse, clock, max_wait, wait))
    pool = ThreadPoolExecutor(max(len(opened), 1), thread_name_prefix="vendor")
    started = []
    for vendor, run in opened:
        if watch:
            watch(vendor.name, run)
        started.append(pool.submit(_Sync(vendor, run, warehouse, summary.run_id, clock).run))
    pool.shutdown(wait=False)
    try:
        summary.vendors = [future.result() for future in started]
    except KeyboardInterrupt:
        # sleepers wake and give up; what they were doing is recorded, but not waited for longer than this
        clock.stop()
        wait_for(started, timeout=FAREWELL)
        raise
    summary.finished_at = clock.now()
    return summary


def pick(names: Sequence[str]) -> list[Vendor]:
    """The vendors of those names, or all of them; raises SettingError for a name that is none."""
    for name in names:
        if name not in VENDORS:
            raise SettingError(f"there is no vendor {name!r}", remedy=f"choose among {', '.join(VENDORS)}")
    return [VENDORS[name] for name in dict.fromkeys(names or VENDORS)]


def _open_runs(
    names: Sequence[str], asked: Asked, summary: Summary, open_run: Callable[[Vendor, Any, Asked], Run]
) -> list[tuple[Vendor, Run]]:
    """A run for each vendor that has a secret; raises SettingError where none has, or a name or setting is wrong."""
    chosen = pick(names)
    if unknown := {name for name in asked.streams or () if not any(vendor.stream_of(name) for vendor in chosen)}:
        known = sorted({stream.name for vendor in chosen for stream in vendor.package.STREAMS})
        raise SettingError(
            f"there is no stream {', '.join(sorted(unknown))}", remedy=f"choose among {', '.join(known)}"
        )
    opened: list[tuple[Vendor, Run]] = []
    for vendor in chosen:
        mine = asked
        if asked.streams is not None:
            streams = frozenset(stream for name in asked.streams if (stream := vendor.stream_of(name)))
            if not streams:
                continue
            mine = Asked(asked.days, streams, asked.accounts)
        settings = vendor.package.settings()
        if not getattr(settings, vendor.secret):
            summary.off[vendor.name] = vendor.secret_setting
            log.info("%s is off: set %s to turn it on", vendor.name, vendor.secret_setting)
            continue
        opened.append((vendor, open_run(vendor, settings, mine)))
    if not opened:
        off = f"{', '.join(summary.off.values())} {'is' if len(summary.off) == 1 else 'are'} not set"
        raise SettingError(
            f"no vendor of {', '.join(sorted(asked.streams))} is configured: {off}"
            if asked.streams
            else f"no vendor is configured: {off}",
            remedy="set at least one, in .dlt/secrets.toml or the environment",
        )
    return opened


def _open_run(
    warehouse: Warehouse, clock: Clock, max_wait: timedelta, wait: bool, vendor: Vendor, settings: Any, asked: Asked
) -> Run:
    ledger = WarehouseLedger(warehouse, vendor.name)
    return vendor.package.open_run(settings, clock=clock, ledger=ledger, asked=asked, max_wait=max_wait, wait=wait)


class _Sync:
    """One vendor's part of a sync."""

    def __init__(self, vendor: Vendor, run: Run, warehouse: Warehouse, run_id: str, clock: Clock) -> None:
        self._vendor = vendor
        self._run = run
        self._warehouse = warehouse
        self._run_id = run_id
        self._clock = clock
        self._result = VendorResult(vendor.name)
        self._skipped: list[Lane] = []
        # lanes that have been logged
        self._told: set[int] = set()

    def run(self) -> VendorResult:
        name = self._vendor.name
        began = self._clock.now()
        log.info("%s: run %s begins", name, self._run_id)
        try:
            with self._warehouse.vendor_lock(name):
                self._load_everything()
        except (WarehouseError, SettingError) as error:
            self._result.error = str(error.locate(name))
            self._result.usage = not self._run.lanes
        except SourceError as error:
            self._result.error = str(error.locate(name))
        except PipelineStepFailed as error:
            self._result.error = "interrupted" if self._clock.stopped else self._redact(_explain(error))
        except StoppedError:
            self._result.error = "interrupted"
        except Exception as error:  # noqa: BLE001 — isolation: one vendor never stops the others
            log.debug("unexpected: %s", self._redact("".join(traceback.format_exception(error))))
            reason = self._redact(f"{type(error).__name__}: {error}").splitlines()[0]
            self._result.error = f"{name}: unexpected {reason}; please report this"
        finally:
            self._run.close()
        if self._result.error:
            log.error("%s", self._result.error)
        self._result.streams = [_result(lane) for lane in (*self._run.lanes, *self._skipped)]
        log.info(
            "%s: run %s ends: %s, %s rows, %s requests, %.1f s",
            name,
            self._run_id,
            "all is loaded" if self._result.exit_code == OK else "not all is loaded",
            f"{sum(stream.rows for stream in self._result.streams):,}",
            f"{self._run.session.total.requests:,}",
            (self._clock.now() - began).total_seconds(),
        )
        return self._result

    def _redact(self, text: str) -> str:
        return self._warehouse.redact(self._run.session.redact(text))

    def _load_everything(self) -> None:
        pipeline = self._ready_pipeline()
        try:
            # the one request that everything else stands on
            self._run.accounts  # noqa: B018
        except SourceError as error:
            self._record_refusal(error)
            return
        try:
            while not self._run.finished:
                pipeline.extract(self._run.source(), loader_file_format="parquet")
                pipeline.normalize()
                give_back_memory()
                with self._warehouse.open():
                    if read := self._read:
                        read.record(self._warehouse, self._vendor.name)
                    self._load(pipeline)
                    self._run.committed()
                    self._record(pipeline)
                    if self._run.finished:
                        tables = _tables(self._run.streams)
                        self._warehouse.index(self._vendor.name, tables)
                        self._settle(tables, read)
                        if read:
                            Unsettled().record(self._warehouse, self._vendor.name)
                    self._warehouse.publish(self._vendor.name, OPS, tidy=self._run.finished)
                self._tell()
        except BaseException:
            for lane in self._run.lanes:
                if lane.finished_at is None:
                    lane.status, lane.finished_at = "interrupted", self._clock.now()
            try:
                self._record(pipeline)
                self._warehouse.publish(OPS)
            except Exception as error:  # noqa: BLE001 — what ended the run is what is told
                reason = self._redact(first_line(error))
                log.warning("%s: how far it came could not be written down: %s", self._vendor.name, reason)
            raise

    @property
    def _read(self) -> Unsettled:
        """What this run has read so far."""
        tables = _tables(self._run.streams)
        return Unsettled(self._run.out_of_order, {t.name: self._run.days_of(t) for t in tables if t.moving})

    def _settle(self, tables: Sequence[Table], read: Unsettled) -> None:
        while True:
            try:
                self._warehouse.settle(self._vendor.name, tables, read.reread, read.read)
                return
            except DatabaseException as error:
                if not self._warehouse.allow_more_memory(error):
                    raise

    def _tell(self) -> None:
        """Log that a piece is loaded, and what the streams cost that ended with it."""
        lanes = self._run.lanes
        log.info("%s: a piece is loaded, %s rows so far", self._vendor.name, f"{sum(lane.rows for lane in lanes):,}")
        for lane in lanes:
            if lane.finished_at is None or id(lane) in self._told:
                continue
            self._told.add(id(lane))
            log.info(
                "%s: %s%s is %s: %s rows, %s requests, %.1f s",
                self._vendor.name,
                lane.stream,
                f" of account {lane.account_id}" if lane.account else "",
                _result(lane).status,
                f"{lane.rows:,}",
                f"{lane.meter.requests:,}",
                (lane.finished_at - lane.started_at).total_seconds(),
            )

    def _ready_pipeline(self) -> dlt.Pipeline:
        """The vendor's pipeline as the warehouse knows it, after what a crash left behind has been loaded."""
        pipeline = self._warehouse.pipeline(self._vendor.name)
        with self._warehouse.open():
            record_killed(self._warehouse, self._vendor.name)
            if pipeline.has_pending_data and self._overtaken(pipeline):
                log.warning(
                    "%s: what an earlier run had read and not loaded is older than what others have loaded, and "
                    "is thrown away; if it was a backfill, ask for its days again",
                    self._vendor.name,
                )
            elif pipeline.has_pending_data:
                log.info("%s: loading what an earlier run had read", self._vendor.name)
                self._finish(pipeline)
            if left := unsettled(self._warehouse, self._vendor.name):
                for table in _tables(self._vendor.package.STREAMS):
                    # a first load may have been killed before there were tables
                    with suppress(DatabaseUndefinedRelation):
                        if table.name in left.read or (table.newest and left.reread):
                            self._settle([table], left)
                Unsettled().record(self._warehouse, self._vendor.name)
            # the positions are the warehouse's: whatever this machine remembers may be of another day
            pipeline.drop()
            pipeline = self._warehouse.pipeline(self._vendor.name)
            pipeline.sync_destination()
            ledgers = [stream.ledger for stream in self._run.streams if stream.ledger]
            WarehouseLedger(self._warehouse, self._vendor.name).make(ledgers)
        return pipeline

    def _overtaken(self, pipeline: dlt.Pipeline) -> bool:
        """Whether another machine has loaded since the packages that a crash left behind were read."""
        # packages are named after the second that they were begun in
        loads = f"{self._vendor.name}.{LOADS_TABLE_NAME}"
        newest = self._warehouse.query(f"SELECT max(load_id) FROM {loads}")  # noqa: S608 — own names
        pending = [*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages()]
        return any(loaded is not None and float(loaded) > max(map(float, pending)) for (loaded,) in newest)

    def _load(self, pipeline: dlt.Pipeline) -> None:
        for attempt in count(1):
            try:
                pipeline.load()
                return
            except PipelineStepFailed as error:
                passing = isinstance(error.exception, LoadClientJobRetry) and attempt < ATTEMPTS
                if not (self._warehouse.allow_more_memory(error) or passing):
                    raise
                self._begin_again(pipeline)

    def _finish(self, pipeline: dlt.Pipeline) -> None:
        """Load the package that a crash left behind."""
        normalized = pipeline.list_normalized_load_packages()
        self._begin_again(pipeline)
        if pipeline.list_normalized_load_packages():
            self._load(pipeline)
        # killed between the two, a package is left in both places: what was normalized is whole, the other is its
        # origin
        if not set(pipeline.list_extracted_load_packages()) <= set(normalized):
            pipeline.normalize()
            self._load(pipeline)

    def _begin_again(self, pipeline: dlt.Pipeline) -> None:
        """Have what was not loaded whole be loaded from its beginning."""
        for load_id in pipeline.list_normalized_load_packages():
            if not put_away(pipeline, load_id):
                begin_again(pipeline, load_id)
                self._warehouse.forget_state(self._vendor.name, load_id)

    def _record_refusal(self, error: SourceError) -> None:
        """Whoever is refused the first request has no lanes yet: one for each stream, the first of which bears it."""
        now, text = self._clock.now(), self._redact(str(error.locate(self._vendor.name)))
        status: Status = "skipped" if isinstance(error, NotEntitledError) else "failed"
        lanes = [Lane(each.name, None, now, status, finished_at=now, errors=[text]) for each in self._run.streams]
        lanes[0].meter = self._run.session.total
        self._record_lanes(lanes)
        self._warehouse.publish(OPS)
        if status == "failed":
            raise error
        log.warning("skipped: %s", text)
        self._skipped = lanes

    def _record_lanes(self, lanes: Iterable[Lane]) -> None:
        whose = {"run_id": self._run_id, "vendor": self._vendor.name}
        rows = [whose | asdict(result) for result in map(_result, lanes)]
        record(self._warehouse, self._run_id, self._vendor.name, rows)

    def _record(self, pipeline: dlt.Pipeline) -> None:
        name = self._vendor.name
        positions = Positions(pipeline.state.get("sources", {}).get(name, {}))
        self._record_lanes(self._run.lanes)
        # a day that several parts of an account lack is one
        days = {
            (account, part.partition("/")[0], day): reason for account, part, day, reason in positions.all_incomplete()
        }
        record_incomplete(self._warehouse, name, [(name, *place, reason) for place, reason in days.items()])
        record_loaded(self._warehouse, name, positions.spans())


def _tables(streams: Iterable[Stream]) -> list[Table]:
    """Each of the tables that some streams fill."""
    return list({table.name: table for stream in streams for table in stream.tables}.values())


def _result(lane: Lane) -> StreamResult:
    errors = [*lane.errors, *lane.incomplete.values()]
    pending = [f"{lane.pending} export requests are pending; the next run collects them"] if lane.pending else []
    return StreamResult(
        account_id=lane.account_id,
        stream=lane.stream,
        started_at=lane.started_at,
        finished_at=lane.finished_at,
        status="incomplete" if lane.incomplete and lane.status in ("ok", "skipped") else lane.status,
        window_start=lane.window.first.isoformat() if lane.window else None,
        window_end=lane.window.last.isoformat() if lane.window else None,
        rows=lane.rows,
        requests=lane.meter.requests,
        retries=lane.meter.retries,
        seconds_waited=round(lane.meter.seconds_waited, 3),
        credits_charged=lane.meter.credits,
        error="; ".join(errors) or None,
        notes=[*lane.notes, *lane.meter.notes, *pending],
    )


def _explain(error: PipelineStepFailed) -> str:
    cause = error.__cause__ or error
    # dlt's own words around the database's say nothing of what happened
    said = str(getattr(cause, "client_exception", None) or "").strip().splitlines()[:1]
    lines = said or str(cause).strip().splitlines()
    reason = next((line for line in reversed(lines) if line.strip()), "no reason given")
    return (
        f"{error.pipeline.pipeline_name}: what was read could not be loaded ({error.step}: {reason}); it is kept and "
        "is loaded first by the next sync; if that fails too, `leadhouse recover` lets go of it and reads it again"
    )
