"""What a vendor's stream is, and what is asked of it.

A stream is one endpoint with the tables it fills. Reading it for one account is a *lane*: its *slices* (days, windows)
are handed on oldest first, and move the lane's position together with their rows.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Protocol
from zoneinfo import ZoneInfo

import pyarrow as pa

from .meter import Meter
from .positions import Positions
from .tables import Table
from .windows import Days

if TYPE_CHECKING:
    from .runs import Run

Batch = Mapping[str, pa.Table]


@dataclass(frozen=True)
class Account:
    """An account that the key can see; `zone` is None where the vendor's name for it is not known."""

    id: str
    zone: ZoneInfo | None = None


@dataclass(frozen=True)
class Stream:
    """One endpoint and the tables it fills; the first one's rows are those that the summary counts.

    `by` is what one read covers: the vendor, an account, an account's days, a single day of an account, or what has
    passed of a calendar window. Where `parted`, an account or window is read for each of the account's parts. A report
    is not read but waited for (`Reports`), and what is waited for stands in the `ledger`; a walk goes by the vendor's
    own rules (`Walks`). `optional` is the setting that turns the stream on; without one it is on. `parts` is the
    setting that lists which of its parts are read: an empty list turns it off. `dated` is the table and column
    (instants) whose days are the position of a stream that is read whole.
    """

    name: str
    tables: tuple[Table, ...]
    by: Literal["vendor", "account", "days", "day", "window", "report", "walk"]
    ledger: Table | None = None
    parted: bool = False
    optional: str = ""
    parts: str = ""
    dated: tuple[str, str] | None = None


@dataclass(frozen=True)
class Slice:
    """What one read covers: `days` of an account, which lie in the calendar window that begins on `window`."""

    account: Account | None = None
    days: Days | None = None
    window: date | None = None
    part: str | None = None

    @property
    def scopes(self) -> list[tuple[object, ...]]:
        """What is replaced by what is read, as values of a table's `scope`."""
        outer: tuple[object, ...] = (self.account.id,) if self.account else ()
        outer += (self.part,) if self.part is not None else ()
        if self.window is not None:
            return [(*outer, self.window)]
        return [(*outer, day) for day in self.days] if self.days else [outer]

    def __str__(self) -> str:
        return ", ".join(str(part) for part in (self.part, self.days) if part)


class Read(Protocol):
    """Reads all rows of a slice of a stream, or raises."""

    def __call__(self, stream: Stream, of: Slice, meter: Meter) -> Batch: ...


class Reports(Protocol):
    """A stream whose rows the vendor prepares while others are read: an async resource."""

    @property
    def left(self) -> bool:
        """Whether something is still to be asked for or waited for."""
        ...

    def reports(self, run: "Run", stream: Stream, positions: Positions) -> AsyncIterator[Any]:
        """Yield what is ready; wait for more only while nothing else is to be loaded."""
        ...

    def committed(self) -> None:
        """What was yielded has been loaded."""
        ...


class Walks(Protocol):
    """Streams that the vendor's own rules read, through as many pieces as they take."""

    def left(self, stream: Stream) -> bool:
        """Whether something of the stream is still to be read."""
        ...

    def rows(self, run: "Run", stream: Stream, state: MutableMapping[str, Any]) -> Iterator[Any]:
        """Yield rows until all is read or the run's piece is spent; the vendor's `state` is committed with them."""
        ...


@dataclass(frozen=True)
class Asked:
    """What a run is asked for. `days` makes it a backfill; None means everything."""

    days: Days | None = None
    streams: frozenset[str] | None = None
    accounts: frozenset[str] | None = None


def position_of(stream: str, part: str | None) -> str:
    """The name under which the position of a stream, or of one of its parts, is kept."""
    return stream if part is None else f"{stream}/{part}"
