"""A lake: Delta tables in a folder or bucket that mirror a DuckDB file, for other engines to read.

The file does the work; what has changed in it is published. Each table is `<bucket_url>/<schema>/<table>`, in parts by
the month of its first DATE column: only parts that have changed are written, in one commit a table. `ops/lake_tables`
names the version of each table that belongs to a publication, and is written last: who begins with the lake on another
machine reads these versions, however the last publication ended.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from .warehouse import OPS, WarehouseError

log = logging.getLogger(__name__)

CATALOG = f"{OPS}/lake_tables"
# the column that Delta tables are partitioned by
MONTH = "_lake_month"
# megabytes that a file is built with, and rows that are on their way at a time
MEMORY, ROWS = 512, 10_000
# what Delta has, besides decimals; other types are numbers too large for it, or go as text
SAME = {"BIGINT", "BLOB", "BOOLEAN", "DATE", "DOUBLE", "FLOAT", "INTEGER", "TIMESTAMP WITH TIME ZONE", "VARCHAR"}
LARGE = {"HUGEINT", "UBIGINT", "UHUGEINT"}
# the table of tables is written most: whoever opens it reads what was written since this many times ago
OFTEN = {"delta.checkpointInterval": "10"}
# the fingerprints of a table of which it is not known what it holds
UNKNOWN = {"?": "?"}
_SECRET = re.compile(r"key|secret|token|password", re.IGNORECASE)
# what drivers paint their errors with, and the questions of addresses, which may be signed
_NOISE = re.compile(r"\x1b\[[0-9;]*m|[↳{}]|\?\S+")


@dataclass(frozen=True)
class Mirrored:
    """A table as it was published: its Delta version, its definition, and a fingerprint of the rows of each month."""

    version: int
    definition: str
    months: Mapping[str, str]


@dataclass(frozen=True)
class Published:
    """What this machine knows to be in the lake. `token` tells the last publication from any other; None: none yet."""

    token: str | None = None
    tables: Mapping[str, Mirrored] = field(default_factory=dict)


@dataclass(frozen=True)
class _Table:
    """A table of the file: its name with its schema, plain and as SQL, and its columns with their types."""

    name: str
    source: str
    definition: str
    columns: Mapping[str, str]

    @property
    def month(self) -> str:
        """What a row's month is in SQL: empty for tables without days."""
        day = next((_quoted(name) for name, type_ in self.columns.items() if type_ == "DATE"), None)
        return f"strftime({day}, '%Y-%m')" if day else ""

    @property
    def rows(self) -> str:
        """A query for its rows as they go into the lake."""
        listed = [_sent(name, type_) for name, type_ in self.columns.items()]
        if self.month:
            listed.append(f"{self.month} AS {MONTH}")
        return f"SELECT {', '.join(listed)} FROM {self.source}"  # noqa: S608 — own names


class Lake:
    """The lake at `url`, and the DuckDB `file` that it mirrors. `options` are those of the storage, secrets among them.

    Whoever calls holds the file's lock. Raises WarehouseError where the storage refuses.
    """

    def __init__(self, url: str, options: Mapping[str, str], file: Path) -> None:
        self.url = url.rstrip("/")
        self._options = dict(options)
        self._file = file
        self._notes_file = file.with_suffix(".json")
        self._opened: dict[str, DeltaTable] = {}
        self._written: set[str] = set()

    def fetch(self) -> None:
        """Build the file from the lake, where it is missing or somebody else has published since."""
        with self._told():
            catalog = self._open(CATALOG)
            token = _token(catalog)
            if token == self._notes().token and (token is None or self._file.exists()):
                return
            log.info("%s is not what this machine has left; %s is built from it", self.url, self._file)
            building = self._file.with_name(f"fetching-{self._file.name}")
            _remove(building)
            tables = self._build(building, _listed(catalog) if catalog else {})
            # DuckDB would replay what the old file had not taken in yet
            _remove(self._file)
            building.replace(self._file)
            self._note(Published(token, tables))

    def try_out(self) -> None:
        """Write to the lake, what is there already."""
        with self._told():
            self._commit(self._catalog(), self._notes().tables)

    def publish(self, connection: duckdb.DuckDBPyConnection, names: Iterable[str], *, tidy: bool) -> None:
        """Write what has changed in these schemas, or tables with their schema, which a connection to the file reads.

        With `tidy`, files that no table has needed for a week are deleted where this process has written.
        """
        with self._told():
            connection.execute("SET TimeZone = 'UTC'")
            catalog, noted = self._catalog(), self._notes().tables
            tables = dict(noted)
            here = {table.name: table for table in _tables(connection, list(names))}
            for name, table in here.items():
                tables[name] = self._mirror(connection, table, noted.get(name))
            for name in [name for name in noted if _among(name, names) and name not in here]:
                self._empty(name)
                del tables[name]
            if tidy:
                for name in self._written & tables.keys():
                    tables[name] = self._tidied(name, tables[name])
            if tables != noted:
                if tidy and catalog:
                    catalog.vacuum(dry_run=False, full=True)
                self._commit(catalog, tables)

    def _mirror(self, cursor: duckdb.DuckDBPyConnection, table: _Table, noted: Mirrored | None) -> Mirrored:
        months = _fingerprints(cursor, table)
        if noted and (noted.definition, noted.months) == (table.definition, months):
            return noted
        delta = self._open(table.name)
        rows, how = table.rows, {"schema_mode": "overwrite", "partition_by": [MONTH] if table.month else None}
        # a table that somebody has written to since, or whose columns are others now, is written whole
        if noted and delta and table.month and (delta.version(), table.definition) == (noted.version, noted.definition):
            changed = [
                month for month in months.keys() | noted.months.keys() if months.get(month) != noted.months.get(month)
            ]
            where = " OR ".join(f"{MONTH} = '{month}'" if month else f"{MONTH} IS NULL" for month in sorted(changed))
            rows, how = f"SELECT * FROM ({rows}) WHERE {where}", {"predicate": where}  # noqa: S608 — own names
        self._written.add(table.name)
        with closing(cursor.sql(rows).to_arrow_reader(ROWS)) as found:
            # an error keeps hold of what it was given: DuckDB's own reader would keep the file from being opened again
            batches = pa.RecordBatchReader.from_batches(found.schema, found)
            written = self._write(table.name, delta, batches, mode="overwrite", **how)
        return Mirrored(written.version(), table.definition, months)

    def _empty(self, name: str) -> None:
        """A table that is no longer in the file keeps no rows in the lake."""
        if delta := self._open(name):
            delta.delete()

    def _tidied(self, name: str, mirrored: Mirrored) -> Mirrored:
        delta = self._opened[name]
        # what a publication that failed has written is no version of ours
        if delta.version() != mirrored.version:
            return mirrored
        delta.vacuum(dry_run=False, full=True)
        self._written.discard(name)
        return Mirrored(delta.version(), mirrored.definition, mirrored.months)

    def _build(self, file: Path, tables: Mapping[str, Mirrored]) -> dict[str, Mirrored]:
        built = {}
        with closing(duckdb.connect(str(file), config={"memory_limit": f"{MEMORY}MB"})) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name, mirrored in tables.items():
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(name.partition('.')[0])}")
                connection.execute(mirrored.definition)
                [table] = _tables(connection, [name])
                delta = DeltaTable(self._url(name), storage_options=self._options)
                if delta.version() != mirrored.version:
                    # somebody was killed while publishing: it is written whole next time
                    delta.load_as_version(mirrored.version)
                    mirrored = Mirrored(mirrored.version, mirrored.definition, UNKNOWN)
                rows = pa.RecordBatchReader.from_stream(delta.scan(columns=list(table.columns)))
                listed = ", ".join(f"CAST({_quoted(column)} AS {type_})" for column, type_ in table.columns.items())
                connection.register("_rows", rows)
                connection.execute(f"INSERT INTO {table.source} SELECT {listed} FROM _rows")  # noqa: S608 — own names
                connection.unregister("_rows")
                built[name] = mirrored
        return built

    def _catalog(self) -> DeltaTable | None:
        """What names the tables of the last publication; raises WarehouseError if that was not this machine's."""
        catalog = self._open(CATALOG)
        if _token(catalog) != self._notes().token:
            raise self._overtaken()
        return catalog

    def _overtaken(self) -> WarehouseError:
        return WarehouseError(
            f"{self.url} has been published to by somebody else since this run began",
            remedy="run again, when no other machine does: it begins with what is there now",
        )

    def _commit(self, catalog: DeltaTable | None, tables: Mapping[str, Mirrored]) -> None:
        """Write the names last, where nobody else has."""
        rows = pa.table(
            {
                "name": pa.array(tables, pa.string()),
                "version": pa.array([table.version for table in tables.values()], pa.int64()),
                "definition": pa.array([table.definition for table in tables.values()], pa.string()),
                "months": pa.array([json.dumps(table.months) for table in tables.values()], pa.string()),
            }
        )
        catalog = self._write(
            CATALOG, catalog, rows.to_reader(), mode="overwrite" if catalog else "error", configuration=OFTEN
        )
        self._note(Published(_token(catalog), tables))

    def _write(self, name: str, delta: DeltaTable | None, rows: pa.RecordBatchReader, **how: Any) -> DeltaTable:
        properties = WriterProperties(compression="ZSTD", max_row_group_size=10 * ROWS)
        write_deltalake(
            delta or self._url(name), rows, storage_options=self._options, writer_properties=properties, **how
        )
        if delta is None:
            delta = self._opened[name] = DeltaTable(self._url(name), version=0, storage_options=self._options)
        return delta

    def _open(self, name: str) -> DeltaTable | None:
        """A table of the lake as it is now, or None."""
        if name in self._opened:
            self._opened[name].update_incremental()
            return self._opened[name]
        try:
            self._opened[name] = DeltaTable(self._url(name), storage_options=self._options)
        except TableNotFoundError:
            return None
        return self._opened[name]

    def _url(self, name: str) -> str:
        return f"{self.url}/{name.replace('.', '/', 1)}"

    def _notes(self) -> Published:
        if not self._notes_file.exists():
            return Published()
        notes = json.loads(self._notes_file.read_text("utf-8"))
        return Published(notes["token"], {name: Mirrored(**table) for name, table in notes["tables"].items()})

    def _note(self, published: Published) -> None:
        draft = self._notes_file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(published)), "utf-8")
        draft.replace(self._notes_file)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the storage or its driver raises, in one sentence and without secrets."""
        try:
            yield
        except CommitFailedError:
            raise self._overtaken() from None
        except (DeltaError, OSError, pa.ArrowException) as error:
            said = " ".join(_NOISE.sub(" ", str(error)).split())
            for name, value in self._options.items():
                # what is shorter is no secret, and a part of other words
                if len(value) > 3 and _SECRET.search(name):
                    said = said.replace(value, "***")
            raise WarehouseError(
                f"{self.url}: {said[:400]}",
                remedy="check destination.filesystem.bucket_url and destination.filesystem.credentials",
            ) from None


def _tables(connection: duckdb.DuckDBPyConnection, names: list[str]) -> Iterator[_Table]:
    """The tables of these schemas, or of these names with their schema; what dlt prepares its loads in is none.

    Those that positions and runs are in come last.
    """
    for name, source, definition in connection.execute(
        "SELECT schema_name || '.' || table_name AS name, format('\"{}\".\"{}\"', schema_name, table_name), sql "
        "FROM duckdb_tables() WHERE database_name = current_database() AND NOT ends_with(schema_name, '_staging') "
        "ORDER BY starts_with(table_name, '_dlt'), schema_name = 'ops', name"
    ).fetchall():
        if _among(name, names):
            rows = connection.sql(f"FROM {source} LIMIT 0")
            yield _Table(name, source, definition, dict(zip(rows.columns, map(str, rows.types), strict=True)))


def _among(name: str, names: Iterable[str]) -> bool:
    return name in names or name.partition(".")[0] in names


def _fingerprints(cursor: duckdb.DuckDBPyConnection, table: _Table) -> dict[str, str]:
    """Count and hash of the rows of each month, whatever their order; rows without a day have the month ''."""
    month = f"COALESCE({table.month}, '')" if table.month else "''"
    found = cursor.execute(
        f"SELECT {month}, count(*) || ' ' || sum(hash(_row)) FROM {table.source} AS _row GROUP BY 1"  # noqa: S608
    ).fetchall()
    return dict(found)


def _sent(name: str, type_: str) -> str:
    column = _quoted(name)
    if type_ in SAME or type_.startswith("DECIMAL"):
        return column
    return f"CAST({column} AS {'DECIMAL(38, 0)' if type_ in LARGE else 'VARCHAR'}) AS {column}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _listed(catalog: DeltaTable) -> dict[str, Mirrored]:
    rows = pa.RecordBatchReader.from_stream(catalog.scan()).read_all().to_pylist()
    return {row["name"]: Mirrored(row["version"], row["definition"], json.loads(row["months"])) for row in rows}


def _token(catalog: DeltaTable | None) -> str | None:
    return f"{catalog.metadata().id} {catalog.version()}" if catalog else None


def _remove(file: Path) -> None:
    """A DuckDB file, and what it has not taken in yet."""
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)
    file.unlink(missing_ok=True)
