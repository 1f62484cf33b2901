"""A budget that several machines keep together: their requests are counted in a PostgreSQL database.

Each secret and kind of request has a table of its own there, `ratelimit___<vendor>_<kind>_<digest of the secret>`,
which the limiter library makes. Whoever takes a request holds the table alone meanwhile, and the time is the
database's. A database that is away is waited for, a little while; nothing is ever asked without it.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyrate_limiter import PostgresBucket, Rate

from .clock import Clock, StoppedError
from .errors import QuotaError, SettingError, SourceError

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

# seconds for which a database that was there may be away, and between two looks at whether it is back
OUTAGE, LOOK_AGAIN = 30.0, 1.0
# libpq's: seconds to connect, and until a silent server counts as gone
PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
# the library's columns have no zone, and a machine that vanishes must not keep the table to itself; for the
# transaction only, since a pooler may give the next one another connection (which is why nothing is prepared, either)
OURS = """
SET LOCAL TIME ZONE 'UTC';
SET LOCAL lock_timeout = '10s';
SET LOCAL idle_in_transaction_session_timeout = '10s'
"""
# the library's prefix
PREFIX = "ratelimit___"


class AwayError(Exception):
    """The database is away, for now: to be tried again after LOOK_AGAIN seconds."""


class SharedDatabase:
    """The database of one secret's budgets, over one connection, which is made when it is first needed."""

    def __init__(self, dsn: str, *, vendor: str, secret: str, clock: Clock) -> None:
        self._dsn = dsn
        self._setting = f"sources.{vendor}.shared_budget"
        self._vendor = vendor
        self._digest = hashlib.sha256(f"{vendor}\0{secret}".encode()).hexdigest()[:16]
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._answered = self._closed = self._lost = False
        self._away_since: float | None = None

    def counter(self, kind: str, rates: list[Rate]) -> "SharedCounter":
        """The counter of one kind of requests."""
        return SharedCounter(self, f"{self._vendor}_{kind}_{self._digest}", rates)

    @contextmanager
    def connection(self) -> "Iterator[psycopg.Connection[Any]]":
        """The connection, for one thread at a time.

        Raises SettingError where it cannot be used at all, AwayError where it could be a moment ago, and QuotaError
        when that moment is over.
        """
        import psycopg

        with self._lock:
            if self._closed:
                raise StoppedError
            if self._lost:
                raise self._gone()
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._dsn, autocommit=True, prepare_threshold=None, **PATIENCE)
                yield self._connection
            except psycopg.Error as error:
                # its text may hold parts of the password; what the server says does not
                raise self._trouble(error.diag.message_primary) from None
            self._answered, self._away_since = True, None

    def close(self) -> None:
        """For good; waits for who is at it."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _trouble(self, words: str | None) -> Exception:
        self._let_go()
        if not self._answered:
            return SettingError(
                f"the database of {self._setting} cannot be used{f' ({words})' if words else ''}",
                remedy="check its address, user and password, and that the user may create tables",
            )
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
            log.info("the database of %s is away; nothing is asked until it is back", self._setting)
        self._lost = now - self._away_since >= OUTAGE
        return self._gone() if self._lost else AwayError()

    def _gone(self) -> SourceError:
        return QuotaError(
            f"the database of {self._setting} is away, and nothing is asked without it",
            remedy="run again when it is back",
        )


class SharedCounter:
    """The requests of one kind, of all machines."""

    def __init__(self, database: SharedDatabase, name: str, rates: list[Rate]) -> None:
        self._database = database
        self._name = name
        self._rates = rates
        self._made: tuple[psycopg.Connection[Any], PostgresBucket] | None = None

    @contextmanager
    def turn(self, *, alone: bool = True) -> Iterator[tuple[PostgresBucket, int]]:
        """The bucket and the database's time in milliseconds; with `alone`, nobody else takes from it meanwhile."""
        from psycopg import sql

        with self._database.connection() as connection:
            bucket = self._bucket(connection)
            with connection.transaction():
                connection.execute(OURS)
                if alone:
                    # in line: the bucket's own lock would be refused while another machine has it
                    table = sql.Identifier(PREFIX + self._name)
                    connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(table))
                # the library's clock would go on with this machine's time where the database does not answer
                row = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
                assert row is not None
                yield bucket, row[0]

    def close(self) -> None:
        self._database.close()

    def _bucket(self, connection: "psycopg.Connection[Any]") -> PostgresBucket:
        if self._made is None or self._made[0] is not connection:
            with connection.transaction():
                pool: Any = _Pool(connection)
                self._made = connection, PostgresBucket(pool, self._name, self._rates)
        return self._made[1]


class _Pool:
    """One connection where the library takes a pool, so that all it does falls into the transaction that is open."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    @contextmanager
    def connection(self) -> "Iterator[psycopg.Connection[Any]]":
        yield self._connection
