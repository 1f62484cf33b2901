"""Some days read again and held against the warehouse, which stays as it is.

The days are loaded as a backfill into a scratch warehouse, through the same machinery as any sync; then the rows of
the two are compared, table by table. A table that is replaced by scope is compared for the scopes that were read, a
snapshot whole, a table that has only a key for the keys that were read.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import dlt
from dlt.extract import DltResource

from sources.clock import Clock
from sources.errors import SettingError
from sources.positions import Positions
from sources.runs import Run
from sources.streams import Asked, Stream
from sources.tables import Table

from .status import positions
from .sync import INCOMPLETE, OK, Watch, sync
from .vendors import Vendor
from .warehouse import Warehouse

# differences that are named of a table, and rows that are looked up at once
NAMED, TOGETHER = 20, 500
WORDS = {"missing": "missing in the warehouse", "extra": "no longer at the vendor"}

Row = dict[str, Any]
Key = tuple[object, ...]


@dataclass(frozen=True)
class Difference:
    """A row that differs. `what` is missing (only the vendor has it), extra (only the warehouse has it) or changed.

    `columns` are those of a changed row: the warehouse's value, and the vendor's.
    """

    what: str
    key: Row
    columns: dict[str, tuple[object, object]] = field(default_factory=dict)


@dataclass
class Compared:
    """A table: how many rows were held against the vendor's, and how many differ; the first ones are named."""

    table: str
    rows: int
    differ: int = 0
    differences: list[Difference] = field(default_factory=list)


@dataclass
class Verified:
    """What a vendor's days have come to. `left_out` are streams that were not read, with the reason."""

    vendor: str
    tables: list[Compared] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return INCOMPLETE if self.errors or any(table.differ for table in self.tables) else OK

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return asdict(self) | {"exit_code": self.exit_code}

    def lines(self) -> Iterator[str]:
        """The same in words, a line for each difference that is named."""
        for table in self.tables:
            name = f"{self.vendor}.{table.table}"
            for difference in table.differences:
                key = " ".join(f"{column}={value}" for column, value in difference.key.items())
                changes = ", ".join(
                    f"{c} {ours!s:.60} → {theirs!s:.60}" for c, (ours, theirs) in difference.columns.items()
                )
                yield f"{name}: {key}: {changes or WORDS[difference.what]}"
            if more := table.differ - len(table.differences):
                yield f"{name}: … and {more:,} more"
        for stream, reason in self.left_out.items():
            yield f"{self.vendor}, {stream}: not compared: {reason}"
        yield from self.errors
        differ = sum(table.differ for table in self.tables)
        yield f"{self.vendor}: {sum(table.rows for table in self.tables):,} rows compared, {differ:,} differ"


def verify(
    warehouse: Warehouse,
    vendor: Vendor,
    *,
    asked: Asked,
    clock: Clock,
    max_wait: timedelta = timedelta(hours=1),
    watch: Watch | None = None,
) -> Verified:
    """Read a vendor's days again and compare; nothing is written. Raises SettingError and WarehouseError."""
    if not warehouse.exists:
        raise SettingError(f"{warehouse.place.path} does not exist yet", remedy="load something first: leadhouse sync")
    verified = Verified(vendor.name)
    if asked.streams is None:
        verified.left_out = dict(_left_out(vendor))
        on = _on(vendor)
        asked = Asked(asked.days, frozenset(s.name for s in on if s.name not in verified.left_out), asked.accounts)
    runs: list[Run] = []

    def note(name: str, run: Run) -> None:
        runs.append(run)
        if watch:
            watch(name, run)

    with warehouse.vendor_lock(vendor.name), tempfile.TemporaryDirectory(prefix="leadhouse-") as folder:
        scratch = Warehouse("duckdb", clock=clock, max_wait=max_wait, path=Path(folder) / "scratch.duckdb")
        try:
            with warehouse.open():
                known = positions(warehouse, vendor.name)
            _seed(scratch, vendor.name, known)
            summary = sync(scratch, vendors=[vendor.name], asked=asked, clock=clock, max_wait=max_wait, watch=note)
            for result in summary.vendors:
                verified.errors += [result.error] if result.error else []
                verified.errors += [s.error or s.status for s in result.streams if s.status not in ("ok", "skipped")]
            with warehouse.open(), scratch.open():
                for run in runs:
                    streams = [stream for stream in run.streams if stream.name not in verified.left_out]
                    verified.tables += _compare(warehouse, scratch, run, streams)
        finally:
            shutil.rmtree(scratch.working_dir, ignore_errors=True)
    return verified


def _on(vendor: Vendor) -> list[Stream]:
    settings = vendor.package.settings()
    return [stream for stream in vendor.package.STREAMS if not stream.optional or getattr(settings, stream.optional)]


def _left_out(vendor: Vendor) -> Iterator[tuple[str, str]]:
    for stream in _on(vendor):
        if stream.by == "report":
            yield stream.name, "it takes new export requests; name it with --stream to make them"
        elif stream.by == "walk" and stream.optional:
            yield stream.name, "it can cost credits; name it with --stream to spend them"


def _seed(scratch: Warehouse, vendor: str, known: Positions) -> None:
    """Tell the scratch warehouse from when on things are loaded: a calendar window begins there."""

    @dlt.source(name=vendor, section=vendor)
    def seed() -> DltResource:
        @dlt.resource(name="seed")
        def nothing() -> Iterator[Any]:
            seeded = Positions(dlt.current.source_state())
            for account, stream, days in known.all_loaded():
                seeded.reach(account, stream, days)
            for begun in known.all_begun():
                seeded.begin_window(*begun)
            yield from ()

        return nothing

    with scratch.open():
        scratch.pipeline(vendor).run(seed())


def _compare(warehouse: Warehouse, scratch: Warehouse, run: Run, streams: Sequence[Stream]) -> Iterator[Compared]:
    """Each table of the streams, once."""
    tables = {table.name: (stream, table) for stream in reversed(streams) for table in stream.tables}
    whole = {lane.stream for lane in run.lanes if lane.status == "ok"}
    for name, (stream, table) in tables.items():
        if stream.by == "walk" and stream.name not in whole:
            # what was not walked to its end tells nothing of what is missing
            continue
        theirs = _read(scratch, run.vendor, table)
        if table.whole or _marks(table):
            read = stream.by == "walk" or any(done == stream.name for done, _ in run.done)
            ours = _read(warehouse, run.vendor, table) if read or theirs else []
        elif table.owner:
            owner = tables[table.owner][1]
            scopes = {_key(row, owner.key) for row in _read(scratch, run.vendor, owner)}
            ours = _read(warehouse, run.vendor, table, table.scope, scopes)
        else:
            columns = table.scope or table.key
            # what a report has brought is known by its rows only
            scopes = {_key(row, columns) for row in theirs}
            if table.scope:
                fills = {s.name for s in streams if table in s.tables}
                scopes |= {tuple(scope) for done, of in run.done if done in fills for scope in of.scopes}
            ours = _read(warehouse, run.vendor, table, columns, scopes)
        yield _held_against(name, table, ours, theirs)


def _marks(table: Table) -> str | None:
    """The column of ours that marks what is no longer so, where a table keeps it."""
    return next((c.name for c in table.columns if c.at is None and c.name in ("deleted_at", "valid_to")), None)


def _read(
    place: Warehouse, vendor: str, table: Table, columns: Sequence[str] = (), among: Iterable[Key] | None = None
) -> list[Row]:
    """The rows of a table as they are now: all of them, or those whose columns have some values."""
    name = f"{vendor}.{table.name}"
    still = f"{mark} IS NULL" if (mark := _marks(table)) else "1 = 1"
    if among is None:
        return place.records(f"SELECT * FROM {name} WHERE {still}")  # noqa: S608 — own names
    rows: list[Row] = []
    left = iter(among)
    while some := list(islice(left, TOGETHER)):
        places = ", ".join(f"({', '.join(['%s'] * len(columns))})" for _ in some)
        values = [value for key in some for value in key]
        rows += place.records(f"SELECT * FROM {name} WHERE ({', '.join(columns)}) IN ({places})", *values)  # noqa: S608
    return rows


def _held_against(name: str, table: Table, ours: list[Row], theirs: list[Row]) -> Compared:
    timed = {column.name for column in table.columns if column.type == "timestamp" and column.at is None}
    key = [column for column in table.key if column not in timed]
    # what follows a row of another day, and an instant at which something was seen, are none of these days'
    ignored = timed | set(table.newest.columns if table.newest else ())
    # what only details show is not known where they were not asked for
    unlisted = {column.name for column in table.columns if not column.listed}
    documents = {column.name for column in table.columns if column.type == "json"}
    here, there = ({_key(row, key): row for row in rows} for rows in (ours, theirs))
    compared = Compared(name, len(there))

    def differ(what: str, at: Key, columns: dict[str, tuple[object, object]]) -> None:
        compared.differ += 1
        if len(compared.differences) < NAMED:
            compared.differences.append(Difference(what, dict(zip(key, at, strict=True)), columns))

    for at in sorted(here.keys() | there.keys(), key=str):
        if at not in here:
            differ("missing", at, {})
        elif at not in there:
            differ("extra", at, {})
        else:
            changed = {}
            for column in dict.fromkeys([*here[at], *there[at]]):
                values = tuple(_plain(row.get(column), column in documents) for row in (here[at], there[at]))
                filled = values[1] is None and (
                    table.filled is not None or column in unlisted or (unlisted and column not in table.schema.names)
                )
                if values[0] != values[1] and column not in ignored and not filled:
                    changed[column] = (values[0], values[1])
            if changed:
                differ("changed", at, changed)
    return compared


def _plain(value: object, is_document: bool) -> object:
    """A value in a form that two places agree on: psycopg2 has parsed a document already, and a text in it is one."""
    if not is_document or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _key(row: Row, columns: Sequence[str]) -> Key:
    return tuple(row[column] for column in columns)
