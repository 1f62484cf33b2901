"""One destination: its connection, its locks, its indexes.

DuckDB is one writer or many readers at a time: whoever loads waits for whoever holds the file. PostgreSQL needs no
such turn, but an index for every key that a merge looks up. A lake is a DuckDB file that is fetched and published.
"""

import logging
import random
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dlt
import duckdb
import filelock
from dlt.common.schema import Schema
from dlt.common.schema.typing import PIPELINE_STATE_TABLE_NAME
from dlt.dataset.utils import get_destination_client_initial_config
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from sources.clock import Clock
from sources.errors import TerminalError
from sources.keys import Secrets
from sources.tables import Table
from sources.windows import Days

from .destination import first_line, resolve
from .instances import distrust, sharing
from .settling import fill, follow, leave

if TYPE_CHECKING:
    from .lake import Lake

log = logging.getLogger(__name__)

OPS = "ops"
# PostgreSQL's codes: a schema, a table or an index of that name, and its row in the catalogue
THERE_ALREADY = ("42P06", "42P07", "23505")
SHORTEST_PASSWORD = 4
# megabytes; DuckDB spills to disk beyond them, and is given more where it cannot
MEMORY, MOST_MEMORY = 64, 2048
# a commit that fails for want of memory is called a TransactionContext Error
NO_MEMORY = ("Out of Memory", "failed to pin block", "could not allocate block", "database has been invalidated")
_FOLDERS = {"normalize": ("extracted",), "load": ("new", "normalized", "loaded")}


class WarehouseError(TerminalError):
    """The warehouse cannot be used: it is not there, it is held by somebody else, or it refuses."""


class BusyError(WarehouseError):
    """Another run of the same vendor is at work on this warehouse."""


class Warehouse:
    """A destination by its dlt name; `path` is a DuckDB file other than the one that is set.

    `max_wait` bounds how long it waits for whoever holds the DuckDB file. With `read_only`, other readers may have it
    open meanwhile.
    """

    def __init__(
        self,
        destination: str,
        *,
        clock: Clock,
        max_wait: timedelta = timedelta(hours=1),
        path: Path | None = None,
        read_only: bool = False,
    ) -> None:
        self.name = destination
        self._clock = clock
        self._max_wait = max_wait.total_seconds()
        self._turn = threading.Lock()
        self._mine = threading.local()
        self.destination, self.place = resolve(destination, path)
        self.engine = self.place.engine
        self._read_only = read_only and self.engine == "duckdb"
        if self.engine == "duckdb":
            self._give_memory(MEMORY)
            self.destination.config_params["credentials"].read_only = read_only
        self._lake, self._fetched = self._lake_of_place(), False
        self.working_dir = self.place.working_dir
        self._load_lock = filelock.FileLock(self._lock_file("load"), timeout=self._max_wait, thread_local=False)

    def redact(self, text: str) -> str:
        """The text without the password that the database is opened with: drivers may say what they were given."""
        credentials = self.destination.config_params.get("credentials")
        password = getattr(credentials, "password", None) or ""
        if len(password) < SHORTEST_PASSWORD:
            # it is in every other word
            return text
        return Secrets((password, quote(password, safe=""))).redact(text)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read: only a file can be missing."""
        self._fetch()
        return self.place.path is None or self.place.path.exists()

    def _lake_of_place(self) -> "Lake | None":
        if self.place.lake is None or self.place.path is None:
            return None
        # deltalake is imported where there is a lake
        from .lake import Lake

        return Lake(self.place.lake.url, self.place.lake.options, self.place.path)

    def pipeline(self, vendor: str) -> dlt.Pipeline:
        """The vendor's dlt pipeline: dataset and pipeline are named after the vendor. Raises SettingError."""
        self.place.make_working_dir()
        # dlt that was killed while it made its folders takes them all for made
        for storage, folders in _FOLDERS.items():
            for folder in folders if (self.working_dir / vendor / storage).is_dir() else ():
                (self.working_dir / vendor / storage / folder).mkdir(exist_ok=True)
        return dlt.pipeline(
            vendor, destination=self.destination, dataset_name=vendor, pipelines_dir=str(self.working_dir)
        )

    def _new_client(self) -> SqlClientBase[Any]:
        # a pipeline would have one, too, and reads three times as many settings
        config = get_destination_client_initial_config(self.destination, OPS)
        client: SqlClientBase[Any] = self.destination.client(Schema(OPS), config).sql_client
        return client

    @cached_property
    def _model_client(self) -> Any:
        return self._new_client()

    def _client(self) -> SqlClientBase[Any]:
        """A client that is not connected yet. dlt reads all its settings for each: one is the model of the others."""
        if self.engine not in ("duckdb", "postgres"):
            return self._new_client()
        model = self._model_client
        made: SqlClientBase[Any] = type(model)(
            model.dataset_name, model.staging_dataset_name, model.credentials, model.capabilities
        )
        return made

    @contextmanager
    def vendor_lock(self, vendor: str) -> Iterator[None]:
        """Held while a run of `vendor` is at work; raises BusyError where another one is."""
        busy = BusyError(f"another run of {vendor} is at work on this warehouse", remedy="wait until it has ended")
        if self.engine == "postgres":
            with self.connect() as client:
                with client.execute_query("SELECT pg_try_advisory_lock(hashtext(%s))", f"leadhouse {vendor}") as cursor:
                    if not cursor.fetchall()[0][0]:
                        raise busy
                try:
                    yield
                finally:
                    # a server that is busy takes a while to notice that a connection is gone
                    with suppress(DatabaseException):
                        client.execute_sql("SELECT pg_advisory_unlock(hashtext(%s))", f"leadhouse {vendor}")
            return
        with self._holding(filelock.FileLock(self._lock_file(vendor), timeout=0), busy):
            yield

    @contextmanager
    def open(self, *, shared: bool = False) -> Iterator[SqlClientBase[Any]]:
        """The warehouse, open for writing by this thread: in DuckDB nobody else has it meanwhile.

        A thread that has it open gets the same connection again. With `shared`, others in this process may open the
        file, too.
        """
        if (client := getattr(self._mine, "client", None)) is not None:
            yield client
            return
        with sharing(self.place.path) if shared else nullcontext(), self._turn_of_mine() as client:
            self._mine.client = client
            try:
                yield client
            finally:
                self._mine.client = None

    @contextmanager
    def lend(self) -> Iterator[None]:
        """This thread's turn at the DuckDB file, for another process that opens it: it is free as this begins."""
        if self.engine != "duckdb":
            yield
            return
        with self._in_line() as deadline:
            with self._held(deadline):
                pass
            yield

    @contextmanager
    def _turn_of_mine(self) -> Iterator[SqlClientBase[Any]]:
        if self.engine != "duckdb":
            # it imports PostgreSQL's drivers
            from .sessions import keeping

            with keeping(), self.connect() as client:
                yield client
            return
        with self._in_line() as deadline, self._held(deadline) as client:
            yield client

    @contextmanager
    def _in_line(self) -> Iterator[float]:
        """Before all others that load into the DuckDB file; yields until when to wait for those that read it."""
        self._fetch()
        deadline = self._clock.monotonic() + self._max_wait
        # whoever only reads is in no loader's way for long
        with self._alone(None if self._read_only else self._load_lock):
            yield deadline

    def _fetch(self) -> None:
        """Have the DuckDB file be what the lake is, if there is one: once, for all that this warehouse is asked."""
        if self._lake is None or self._fetched:
            return
        with self._alone(self._load_lock):
            if not self._fetched:
                self._lake.fetch()
            self._fetched = True

    @contextmanager
    def _alone(self, lock: filelock.BaseFileLock | None) -> Iterator[None]:
        """The turn of this thread among those of this process, and with a lock that of this process among others."""
        late = WarehouseError(
            f"{self.place.path} is being loaded by another run for longer than this one may wait",
            remedy="run again later, or allow more with --max-wait",
        )
        with self._turn, self._holding(lock, late) if lock else nullcontext():
            yield

    @contextmanager
    def _holding(self, lock: filelock.BaseFileLock, held: WarehouseError) -> Iterator[None]:
        """The lock, while this is not left; `held` is raised where somebody else has it for too long."""
        folder = Path(lock.lock_file).parent
        try:
            # a lock takes a folder that cannot be written for one that somebody else is at work in
            with tempfile.TemporaryFile(dir=folder):
                pass
            lock.acquire()
        except filelock.Timeout:
            raise held from None
        except OSError as error:
            raise WarehouseError(
                f"{folder} cannot be written ({error.strerror or error})",
                remedy=f"let this user write it, or check destination.{self.name}.credentials",
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def connect(self) -> Iterator[SqlClientBase[Any]]:
        """A connection of its own; raises WarehouseError where there is none to be had."""
        client = self._connected(self._client)
        try:
            yield client
        finally:
            client.close_connection()

    def _connected(self, make: Callable[[], SqlClientBase[Any]]) -> SqlClientBase[Any]:
        try:
            client = make()
            client.open_connection()
        except Exception as error:  # whatever the database's own driver raises
            raise WarehouseError(
                f"{self.name} cannot be opened: {self.redact(first_line(error))}",
                remedy=f"delete {self.place.path}: it is built from the lake again"
                if self._lake
                else f"check destination.{self.name}.credentials",
            ) from error
        return client

    def allow_more_memory(self, error: BaseException) -> bool:
        """Whether what failed for want of memory may be tried again, with more of it."""
        if self.engine != "duckdb" or not any(sign in str(error) for sign in NO_MEMORY):
            return False
        there_is_more = self._memory < MOST_MEMORY
        if there_is_more:
            self._give_memory(2 * self._memory)
            self.__dict__.pop("_model_client", None)
            log.info("DuckDB needs more than %s MB for this load; it is given %s", self._memory // 2, self._memory)
        if (client := getattr(self._mine, "client", None)) is not None:
            # DuckDB that has run out of memory may forget rows that were committed (decision 12)
            distrust(self.place.path)
            client.close_connection()
            client.credentials.global_config = self._settings
            # somebody who reads it may have been quicker
            self._when_free(lambda: self._connected(lambda: client), self._clock.monotonic() + self._max_wait)
        return there_is_more

    def _give_memory(self, megabytes: int) -> None:
        self._memory = megabytes
        self.destination.config_params["credentials"].global_config = self._settings

    @property
    def _settings(self) -> dict[str, str]:
        # DuckDB would keep what it has let go of, some 40 MB, while the next piece is read; two threads take longer
        # (decision 14)
        return {"memory_limit": f"{self._memory}MB", "allocator_background_threads": "true", "threads": "1"}

    def prepare(self) -> None:
        """Make the loader's schema; raises WarehouseError or SettingError where nothing can be written."""
        self.place.make_working_dir()
        with self.open() as client:
            try:
                make(client, f"CREATE SCHEMA IF NOT EXISTS {OPS}")
            except DatabaseException as error:
                raise WarehouseError(f"{self.name} cannot be written: {self.redact(first_line(error))}") from error
            if self._lake:
                self._lake.try_out()

    def publish(self, *names: str, tidy: bool = False) -> None:
        """Bring what has changed in these schemas, or tables with their schema, into the lake, where there is one.

        With `tidy`, which belongs to the end of a run, files that are no longer needed there are deleted.
        """
        if self._lake is None:
            return
        with self.open():
            while True:
                try:
                    with self.connect() as reader:
                        self._lake.publish(reader.native_connection, names, tidy=tidy)
                    return
                except (WarehouseError, duckdb.Error) as error:
                    if not self.allow_more_memory(error):
                        raise

    def forget_state(self, vendor: str, load_id: str) -> None:
        """Take back the state that a killed run has written of a package: loading it again would write it twice.

        Everything else in a package may be written twice; PostgreSQL refuses the state's second row.
        """
        with self.open() as client, suppress(DatabaseUndefinedRelation):
            client.execute_sql(f"DELETE FROM {vendor}.{PIPELINE_STATE_TABLE_NAME} WHERE _dlt_load_id = %s", load_id)  # noqa: S608

    def query(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """All rows of a query; an empty list where its tables do not exist yet."""
        with self.open() as client:
            try:
                with client.execute_query(sql, *arguments) as cursor:
                    return list(cursor.fetchall())
            except DatabaseUndefinedRelation:
                return []

    def records(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """The rows of a query by the names of their columns; an empty list where its tables do not exist yet."""
        with self.open() as client:
            try:
                with client.execute_query(sql, *arguments) as cursor:
                    names = [column[0] for column in cursor.description]
                    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            except DatabaseUndefinedRelation:
                return []

    def index(self, vendor: str, tables: Iterable[Table]) -> None:
        """Index what merges look up, where the destination does not find it by itself."""
        if self.engine != "postgres":
            return
        with self.open() as client:
            for table in tables:
                for columns in filter(None, (table.key, table.scope)):
                    name = f"{table.name}_by_{'_'.join(columns)}"[:63]
                    listed = ", ".join(map(client.escape_column_name, columns))
                    target = f"{client.escape_column_name(vendor)}.{client.escape_column_name(table.name)}"
                    index = client.escape_column_name(name)
                    client.execute_sql(f"CREATE INDEX IF NOT EXISTS {index} ON {target} ({listed})")

    def settle(
        self, vendor: str, tables: Iterable[Table], reread: Days | None, read: Mapping[str, Mapping[str, Days]]
    ) -> None:
        """What merges cannot say: rows that follow another table's newest row, that moved, or that another completes.

        `reread` are days that were read although later ones were loaded before, `read` all that were, by table and
        account.
        """
        if self.engine not in ("duckdb", "postgres"):
            return
        with self.open() as client:
            for table in tables:
                if table.newest is not None and reread is not None:
                    client.execute_sql(follow(vendor, table, table.newest), reread.first, reread.last)
                if table.moving is not None and read.get(table.name):
                    (look, where), (remove, which) = leave(vendor, table, table.moving, read[table.name])
                    # a first load has no other days, and nothing to compare them with
                    if client.execute_sql(look, *where):
                        client.execute_sql(remove, *which)
                if table.filled is not None:
                    other = next((t for t in tables if t.name == table.filled.table), None)
                    for statement in fill(vendor, table, other, strangers=table.filled.strangers) if other else ():
                        client.execute_sql(statement)

    @contextmanager
    def _held(self, deadline: float) -> Iterator[SqlClientBase[Any]]:
        """The DuckDB file, as soon as no other process has it open."""
        with ExitStack() as stack:
            yield self._when_free(lambda: stack.enter_context(self.connect()), deadline)

    def _when_free(self, connect: Callable[[], SqlClientBase[Any]], deadline: float) -> SqlClientBase[Any]:
        told = False
        while True:
            try:
                return connect()
            except WarehouseError as error:
                if "lock on file" not in str(error):
                    raise
                if self._clock.monotonic() >= deadline:
                    raise WarehouseError(
                        f"{self.place.path} is held by another program for longer than this run may wait",
                        remedy="close the notebook or shell that has it open, or allow more with --max-wait",
                    ) from None
                if not told:
                    log.info("%s is held by another program; waiting for it", self.place.path)
                    told = True
                self._clock.sleep(random.uniform(0.2, 1.0))  # noqa: S311 — spreads waiters, hides nothing

    def _lock_file(self, name: str) -> Path:
        if self.place.path is None:
            return self.place.make_working_dir() / f"{name}.lock"
        return self.place.path.with_name(f".{self.place.path.name}.{name}.lock")


def make(client: SqlClientBase[Any], statement: str) -> None:
    """Make what may be there already; PostgreSQL stumbles where two runs make the same at once: then it is there."""
    try:
        client.execute_sql(statement)
    except DatabaseException as error:
        # a server may say it in any language
        if getattr(error.dbapi_exception, "pgcode", None) not in THERE_ALREADY and "already exists" not in str(error):
            raise


def swap(
    client: SqlClientBase[Any],
    table: str,
    condition: str,
    arguments: Sequence[object],
    rows: Sequence[Sequence[object]],
) -> None:
    """Delete the rows of a condition and insert others, in one transaction."""
    with client.begin_transaction():
        client.execute_sql(f"DELETE FROM {table} WHERE {condition}", *arguments)  # noqa: S608 — own names
        if rows:
            places = ", ".join(f"({', '.join(['%s'] * len(row))})" for row in rows)
            client.execute_sql(f"INSERT INTO {table} VALUES {places}", *[v for row in rows for v in row])  # noqa: S608
