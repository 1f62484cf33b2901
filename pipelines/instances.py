"""Instances of DuckDB that stay while dlt opens and closes a file, some dozens of times a piece.

To make one takes ten times longer than to attach a file to one that is there. The file itself is closed, and its lock
let go of, when dlt says so.
"""

import atexit
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
from dlt.destinations.impl.duckdb import configuration
from dlt.destinations.impl.duckdb.configuration import DuckDbBaseCredentials

log = logging.getLogger(__name__)


class _Instance:
    """An instance, and the one file that is attached to it, under the name that DuckDB gives it."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        self._settings: dict[str, Any] = {}
        self.name = ""
        self.users = 0
        self.is_sound = True

    def attach(self, path: str, *, read_only: bool) -> None:
        # without a name of ours, it is the one that views in the file know it by
        self._connection.execute(f"ATTACH {_literal(path)}{' (READ_ONLY)' if read_only else ''}")
        ((self.name,),) = self._connection.execute(
            "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL"
        ).fetchall()
        self.set({"temp_directory": f"{path}.tmp"})

    def set(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            if self._settings.get(name) != value:
                self._connection.execute(f"SET GLOBAL {name} = {_literal(str(value))}")
                self._settings[name] = value

    def cursor(self, search_path: str = "main") -> duckdb.DuckDBPyConnection:
        cursor = self._connection.cursor()
        name = _quoted(self.name)
        try:
            cursor.execute(f"SET SESSION search_path = {_literal(f'{name}.{search_path}')}")
        except duckdb.CatalogException:
            # there is no such schema yet
            cursor.execute(f"USE {name}")
        return cursor

    def detach(self) -> None:
        """Write the file out, and let go of it."""
        self._connection.execute(f"DETACH {_quoted(self.name)}")

    def abandon(self) -> None:
        """Let go of the file as a process that is killed does: what was committed stands in its log."""
        with suppress(duckdb.Error):
            # one that DuckDB has given up itself takes no more statements, and writes nothing either
            self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        self._connection.close()

    def close(self) -> None:
        self._connection.close()


_turn = threading.RLock()
_spare: list[_Instance] = []
_attached: dict[str, _Instance] = {}
_shared: set[str] = set()


@contextmanager
def sharing(path: Path | None) -> Iterator[None]:
    """Have a file be opened in the way that lets others in this process open it meanwhile."""
    _shared.add(str(path))
    try:
        yield
    finally:
        _shared.remove(str(path))


def distrust(path: Path | None) -> None:
    """Have nothing that an instance believes of a file be written to it, and another one be used from its end on."""
    with _turn:
        if (instance := _attached.get(str(path))) is not None:
            instance.is_sound = False


class _Pool(configuration.DuckDbConnectionPool):
    """dlt's, for one file."""

    _instance: _Instance | None = None

    def borrow_conn(
        self,
        global_config: Any = None,
        local_config: Any = None,
        pragmas: Any = None,
    ) -> duckdb.DuckDBPyConnection:
        with self._conn_lock:
            if self._conn is None:
                self._instance = _attach(self.credentials)
            if self._instance is None:
                return super().borrow_conn(global_config, local_config, pragmas)
            try:
                self._instance.set((self.credentials.global_config or {}) | (global_config or {}))
                self._conn = self._conn or self._instance.cursor()
                borrowed = self._instance.cursor(**(local_config or {}))
            except BaseException:
                if self._conn_borrows == 0:
                    self._close_conn()
                raise
            self._conn_borrows += 1
            return borrowed

    def _close_conn(self) -> None:
        super()._close_conn()
        instance, self._instance = self._instance, None
        if instance:
            _let_go(self.credentials, instance)


def _attach(credentials: DuckDbBaseCredentials) -> _Instance | None:
    """The instance that has the file; None where it is to be opened by itself."""
    path = credentials._conn_str()
    with _turn:
        instance = _attached.get(path)
        if instance is None:
            if path in _shared or any((credentials.extensions, credentials.pragmas, credentials.statements)):
                return None
            instance = _spare.pop() if _spare else _Instance()
            try:
                instance.attach(path, read_only=credentials.read_only)
            except (duckdb.BinderException, duckdb.ResourceInUseException):
                # a name that only one database may have, or a file that this process has open already
                _spare.append(instance)
                return None
            except duckdb.NotImplementedException:
                # it has spilled beside another file, and cannot spill beside this one
                instance.close()
                return _attach(credentials)
            except BaseException:
                _spare.append(instance)
                raise
            _attached[path] = instance
        instance.users += 1
        return instance


def _let_go(credentials: DuckDbBaseCredentials, instance: _Instance) -> None:
    with _turn:
        instance.users -= 1
        if instance.users:
            return
        del _attached[credentials._conn_str()]
        if not instance.is_sound:
            instance.abandon()
            return
        try:
            instance.detach()
        except duckdb.Error as error:
            # what was committed stands beside the file, and is taken in when it is opened next
            log.info("%s: %s", credentials._conn_str(), error)
            instance.close()
        else:
            _spare.append(instance)


@atexit.register
def _close_spares() -> None:
    """An instance that has spilled takes its folder away when it is closed."""
    with _turn:
        while _spare:
            _spare.pop().close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


configuration.DuckDbConnectionPool = _Pool  # type: ignore[misc]
