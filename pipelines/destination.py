"""The destination that is set: where it is, and how dlt reaches it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination import Destination
from dlt.common.libs import sql_alchemy_shims
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from sources.errors import SettingError

from .remembered import remembering


@dataclass(frozen=True)
class Place:
    """Where a warehouse is: `identity` tells two apart and holds no secret, `path` is the DuckDB file's."""

    identity: str
    path: Path | None = None


def resolve(destination: str, path: Path | None = None) -> tuple[Any, Place]:
    """dlt's destination, and where it is; raises SettingError naming the setting."""
    if destination in ("duckdb", "postgres"):
        # dlt would import SQLAlchemy to read a URL, where Dagster has brought it: a tenth of what starting costs
        sys.modules.setdefault("dlt.common.libs.sql_alchemy_compat", sql_alchemy_shims)
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
        credentials = DuckDbCredentials(str(path))
        # dlt would merge without one: days whose new rows cannot be written would lose their old ones
        found = dlt.destinations.duckdb(credentials, supports_transactions=True)
        return remembering(found), Place(f"duckdb {path.resolve()}", path)
    if destination == "postgres":
        if not given:
            raise SettingError(
                f"{setting} is not set", remedy="set it to postgresql://user:password@host:5432/database"
            )
        try:
            server = PostgresCredentials(given)
        except (ValueError, TypeError, ConfigurationException):
            raise SettingError(
                f"{setting} is no connection string", remedy="give it as postgresql://user:password@host:5432/database"
            ) from None
        # dlt insists on a password; a server that trusts its host needs none
        server.password = server.password or ""
        identity = f"postgres {server.host}:{server.port}/{server.database}"
        return remembering(dlt.destinations.postgres(server)), Place(identity)
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
            remedy="choose duckdb, postgres or another database",
        )
    return remembering(found), Place(destination)


def configured(setting: str) -> Any:
    """What dlt's configuration has for a setting, a secret or not; None where nothing is set."""
    for accessor in (dlt.secrets, dlt.config):
        try:
            return accessor[setting]
        except KeyError:
            continue
    return None


def first_line(error: BaseException) -> str:
    """What an error says first."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
