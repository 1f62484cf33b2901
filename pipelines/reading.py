"""The warehouse for those who only read it: notebooks and the report.

A query opens the database, read-only, and closes it again: a notebook that somebody leaves open holds no sync up.
"""

import calendar
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi
import duckdb
import pyarrow as pa

from sources.clock import Clock
from sources.windows import today

from .transform import require_models
from .warehouse import Warehouse, WarehouseError

BUILD = "build the models with leadhouse transform"


class Reader:
    """Answers queries on the marts of `duckdb`, `postgres` or a lake (`filesystem`); raises SettingError for others."""

    def __init__(self, destination: str = "duckdb") -> None:
        self._warehouse = Warehouse(destination, clock=Clock())
        require_models(self._warehouse)

    def query(self, sql: str, *arguments: object) -> pa.Table:
        """The rows as an Arrow table; `$1`, `$2`, … stand for the arguments. Numbers are int64 or float64.

        Raises WarehouseError where the database cannot be read or a mart is not there.
        """
        rows = self._duckdb(sql, arguments) if self._warehouse.engine == "duckdb" else self._postgres(sql, arguments)
        return pa.table({name: _plain(rows[name]) for name in rows.column_names})

    def row(self, sql: str, *arguments: object) -> dict[str, Any]:
        """The only row, by the names of its columns."""
        (found,) = self.query(sql, *arguments).to_pylist()
        return dict(found)

    def _duckdb(self, sql: str, arguments: tuple[object, ...]) -> pa.Table:
        path = self._warehouse.place.path
        if path is None or not self._warehouse.exists:
            raise WarehouseError(f"{path} is not there", remedy="load it with leadhouse sync --transform")
        with self._told(duckdb.Error), closing(duckdb.connect(str(path), read_only=True)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(sql, params=arguments).to_arrow_table()

    def _postgres(self, sql: str, arguments: tuple[object, ...]) -> pa.Table:
        address = self._warehouse.destination.config_params["credentials"].to_native_representation()
        with (
            self._told(adbc_driver_postgresql.dbapi.Error),
            adbc_driver_postgresql.dbapi.connect(address) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(sql, parameters=arguments or None)
            return cursor.fetch_arrow_table()

    @contextmanager
    def _told(self, driver_error: type[Exception]) -> Iterator[None]:
        """What a database's driver raises, as what is to be done about it."""
        try:
            yield
        except driver_error as error:
            said = self._warehouse.redact(str(error))
            if "lock on file" in said:
                raise WarehouseError(
                    f"{self._warehouse.place.path} is held by another program",
                    remedy="run again when it is done, or close the notebook or shell that has it open",
                ) from error
            if "does not exist" in said and "connection to server" not in said:
                raise WarehouseError(f"a model is not there: {said.splitlines()[0]}", remedy=BUILD) from error
            raise WarehouseError(f"the warehouse cannot be read: {said.splitlines()[0]}") from error


@dataclass(frozen=True)
class Month:
    """The days of a month that are loaded whole, and the same days of the month before if those are loaded, too."""

    first: date
    last: date
    before_first: date | None
    before_last: date | None

    @property
    def name(self) -> str:
        """Such as March 2026."""
        return f"{self.first:%B %Y}"

    @property
    def is_over(self) -> bool:
        return self.last == _end(self.first)


def month(reader: Reader, asked: str = "") -> Month:
    """A month given as YYYY-MM, or the one that the newest whole day is in. Raises WarehouseError where none is loaded.

    The day on which visits were last loaded was not over then: on the first of a month, it is the month before.
    """
    loaded = reader.row(
        """
        select min(since) as first_since, max(since) as all_since, max(until) as until
        from (
            select account_id, min(loaded_from) as since,
                max(least(loaded_until, cast(last_run_at as date) - 1)) as until
            from marts.freshness
            where stream = 'visits' and loaded_until is not null
            group by account_id
        ) as accounts
        """
    )
    if loaded["until"] is None:
        raise WarehouseError("no visits are loaded", remedy="load them with leadhouse sync --transform")
    start = date.fromisoformat(f"{asked}-01") if asked else loaded["until"].replace(day=1)
    end, now = _end(start), today(Clock().now(), None)
    if start > now:
        raise WarehouseError(f"{start:%Y-%m} has not begun", remedy="give a month that has")
    first, last = max(start, loaded["first_since"]), min(end, loaded["until"])
    if last < first:
        raise WarehouseError(
            f"no whole day of {start:%Y-%m} is loaded",
            remedy=f"load it with leadhouse sync --from {start} --to {min(end, now)}, then {BUILD}",
        )
    before_end = start - timedelta(days=1)
    before = before_end.replace(day=1)
    if before < loaded["all_since"]:
        return Month(first, last, None, None)
    return Month(first, last, before, before_end if last == end else min(before_end, before + (last - start)))


def _end(day: date) -> date:
    """The last day of its month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers for those who plot: PostgreSQL's numeric comes as text of its own type, DuckDB's sums as decimals."""
    whole = pa.types.is_decimal(column.type) and column.type.scale == 0
    if isinstance(column.type, pa.OpaqueType):
        column = column.cast(pa.string())
        whole = not any("." in value for value in column.drop_null().to_pylist())
    elif not pa.types.is_decimal(column.type):
        return column
    return column.cast(pa.int64() if whole else pa.float64())
