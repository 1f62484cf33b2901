"""The destination that is set: where it is, and how dlt reaches it."""

import errno
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.destination import Destination
from dlt.common.exceptions import MissingDependencyException
from dlt.common.libs import sql_alchemy_shims
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from sources.errors import SettingError

from .merges import Duckdb
from .remembered import remembering

# what deltalake writes to, by the scheme of an address
STORAGES = ("file", "s3", "az", "abfs", "abfss", "adl", "azure", "gs")

# libpq's: a router between us and a server forgets a connection that says nothing, as the one that holds a run's lock
# does for hours
KEEP_ALIVE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "6"}


@dataclass(frozen=True)
class Bucket:
    """Where a lake is: the address of a folder, and what its storage is told, secrets among it."""

    url: str
    options: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Place:
    """Where a warehouse is: `identity` tells two apart and holds no secret.

    `engine` is what does the SQL: duckdb, postgres or another destination of dlt's. `path` is the DuckDB file's, which
    mirrors a `lake` if there is one.
    """

    identity: str
    engine: str
    path: Path | None = None
    lake: Bucket | None = None

    @property
    def working_dir(self) -> Path:
        """The folder of what is to be remembered of it on this machine."""
        digest = hashlib.sha256(self.identity.encode()).hexdigest()[:16]
        return Path(get_dlt_pipelines_dir()) / "leadhouse" / digest

    def make_working_dir(self) -> Path:
        """The same, made; raises SettingError where this user may not write it."""
        folder = self.working_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            why = "" if os.access(folder, os.W_OK) else os.strerror(errno.EACCES)
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            raise SettingError(
                f"{folder} cannot be written ({why})",
                remedy="let this user write it, or set DLT_DATA_DIR to a folder that it may write",
            )
        return folder


def resolve(destination: str, path: Path | None = None) -> tuple[Any, Place]:
    """dlt's destination, and where it is; raises SettingError naming the setting."""
    if destination in ("duckdb", "filesystem", "postgres"):
        # dlt would import SQLAlchemy to read a URL, where Dagster has brought it: a tenth of what starting costs
        sys.modules.setdefault("dlt.common.libs.sql_alchemy_compat", sql_alchemy_shims)
    if destination == "filesystem":
        lake = _lake()
        path = Place(f"filesystem {lake.url}", "duckdb").make_working_dir() / "lake.duckdb"
        return _in_file(path), Place(f"filesystem {lake.url}", "duckdb", path, lake)
    setting = f"destination.{destination}.credentials"
    given = str(path) if path else configured(setting)
    found: Any
    if destination == "duckdb":
        if isinstance(given, dict):
            given = given.get("database")
        try:
            credentials = DuckDbCredentials(given or "leadhouse.duckdb")
        except (ValueError, TypeError, ConfigurationException) as error:
            raise SettingError(f"{setting} cannot be read: {first_line(error)}", remedy="give it a path") from None
        path = Path(credentials.database).expanduser().absolute()
        if credentials.database in ("", ":memory:"):
            raise SettingError(f"{setting} is {given!r}", remedy="give it the path of a file that stays")
        if not path.parent.is_dir():
            raise SettingError(f"{setting}: the folder {path.parent} does not exist", remedy="make it first")
        return _in_file(path), Place(f"duckdb {path.resolve()}", "duckdb", path)
    if destination == "postgres":
        if not given:
            raise SettingError(
                f"{setting} is not set", remedy="set it to postgresql://user:password@host:5432/database"
            )
        server = _server(setting, given)
        # dlt insists on a password; a server that trusts its host needs none
        server.password = server.password or ""
        server.query = KEEP_ALIVE | (server.query or {})
        identity = f"postgres {server.host}:{server.port}/{server.database}"
        return remembering(dlt.destinations.postgres(server)), Place(identity, "postgres")
    try:
        found = Destination.from_reference(destination)
        strategies = found.capabilities().supported_merge_strategies or ()
    except Exception as error:
        raise SettingError(
            f"there is no destination {destination!r}", remedy="choose duckdb, postgres or another destination of dlt's"
        ) from error
    if "delete-insert" not in strategies:
        # dlt would append, and every day that is read again would be there twice
        raise SettingError(
            f"{destination} cannot replace a day that is read again",
            remedy="choose duckdb, postgres, filesystem (a lake) or another database",
        )
    return remembering(found), Place(destination, destination)


def _server(setting: str, given: Any) -> PostgresCredentials:
    """The PostgreSQL server of a connection string; raises SettingError, without anything of the string."""
    form = "give it as postgresql://user:password@host:5432/database"
    try:
        server = PostgresCredentials(given)
    except (ValueError, TypeError, ConfigurationException):
        raise SettingError(f"{setting} is no connection string", remedy=form) from None
    # SQLAlchemy's form names a driver as well
    if server.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        raise SettingError(f"{setting} is no connection string of PostgreSQL", remedy=form)
    server.drivername = "postgresql"  # type: ignore[misc]
    if "@" in (server.host or ""):
        raise SettingError(f"{setting} has an @ in its password", remedy="write it as %40, a / as %2F and a : as %3A")
    return server


def _in_file(path: Path) -> Any:
    """dlt's destination for a DuckDB file."""
    return remembering(
        Duckdb(
            DuckDbCredentials(str(path)),
            # dlt would merge without one: days whose new rows cannot be written would lose their old ones
            supports_transactions=True,
            # side by side, jobs only fight for memory
            loader_parallelism_strategy="sequential",
        )
    )


def _lake() -> Bucket:
    """The folder or bucket that is set, and what its storage is told; raises SettingError."""
    # it imports deltalake, which only a lake needs
    from dlt.common.libs.deltalake import deltalake_storage_options

    setting = "destination.filesystem.bucket_url"
    example = "give it a folder, or s3://, az:// or gs:// with a bucket"
    given = configured(setting)
    if not given:
        raise SettingError(f"{setting} is not set", remedy=example)
    config = FilesystemConfiguration(str(given))
    try:
        config.verify_bucket_url()
    except (ConfigurationException, ValueError):
        raise SettingError(f"{setting} is no address", remedy=example) from None
    url = str(config)
    if config.protocol not in STORAGES:
        raise SettingError(f"{setting} is {url}, where no Delta tables can be kept", remedy=example)
    if config.is_local_filesystem:
        _check_folder(setting, Path(config.make_local_path(config.bucket_url)))
    more = configured("destination.filesystem.deltalake_storage_options")
    try:
        config = resolve_configuration(config, sections=("destination", "filesystem"))
        options = deltalake_storage_options(config.credentials, more)
    except (ConfigurationException, MissingDependencyException, ValueError) as error:
        # the storage finds its own then, in the environment or from the machine's role
        if more:
            return Bucket(url, more)
        raise SettingError(
            f"destination.filesystem.credentials for {url} cannot be used: {first_line(error)}",
            remedy="docs/lake.md says what each storage needs",
        ) from None
    return Bucket(url, options)


def _check_folder(setting: str, folder: Path) -> None:
    if not folder.parent.is_dir():
        raise SettingError(f"{setting}: the folder {folder.parent} does not exist", remedy="make it first")
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{setting}: {folder} is no folder", remedy="name another")
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        raise SettingError(f"{setting}: {folder} cannot be written", remedy="name another, or change who may")


def configured(setting: str) -> Any:
    """What dlt's configuration has for a setting, a secret or not; None where nothing is set."""
    for accessor in (dlt.secrets, dlt.config):
        try:
            return accessor[setting]
        except KeyError:
            continue
    return None


def first_line(error: BaseException) -> str:
    """What an error says first; of dlt's words around a driver's, the driver's."""
    said = str(error).rpartition("The actual reason given is: ")[2]
    return next((line for line in said.splitlines() if line.strip()), type(error).__name__)
