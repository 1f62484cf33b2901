"""How the lanes of a run fare: each is one stream of one account, from what is asked for to how it ended."""

import logging
import traceback
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from .clock import Clock
from .errors import AccessError, NotEntitledError, QuotaError, SourceError
from .meter import Meter
from .streams import Account, Slice, Stream
from .windows import Days

log = logging.getLogger(__name__)

Status = Literal["running", "ok", "incomplete", "skipped", "failed", "interrupted"]


@dataclass
class Lane:
    """One stream of one account in one run: what was asked for, what it cost, how it ended."""

    stream: str
    account: Account | None
    started_at: datetime
    status: Status = "running"
    window: Days | None = None
    rows: int = 0
    meter: Meter = field(default_factory=Meter)
    finished_at: datetime | None = None
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: dict[date, str] = field(default_factory=dict)
    pending: int = 0
    read: bool = False
    stopped: bool = False
    stopped_parts: set[str] = field(default_factory=set)
    not_bought: list[str] = field(default_factory=list)

    @property
    def account_id(self) -> str | None:
        return self.account.id if self.account else None

    def is_stopped(self, part: str | None) -> bool:
        """Whether nothing more of it, or of this part of its account, is tried."""
        return self.stopped or part in self.stopped_parts

    def widen(self, days: Days | None) -> None:
        """Have its window reach over these days, too."""
        if days is not None:
            known = self.window or days
            self.window = Days(min(days.first, known.first), max(days.last, known.last))


class Lanes:
    """The lanes of a run of one vendor, in the order in which they were opened.

    `listing` is what listing the accounts costs: the first lane bears it. `refused` is the error after which the vendor
    would refuse everything else, too.
    """

    def __init__(self, vendor: str, clock: Clock, redact: Callable[[str], str]) -> None:
        self.listing = Meter()
        self.refused: AccessError | QuotaError | None = None
        self._vendor = vendor
        self._clock = clock
        self._redact = redact
        self._lanes: list[Lane] = []

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def __len__(self) -> int:
        return len(self._lanes)

    def open(self, stream: Stream, account: Account | None) -> Lane:
        """The lane of a stream and account, made where there is none yet."""
        account_id = account.id if account else None
        for lane in self._lanes:
            if lane.stream == stream.name and lane.account_id == account_id:
                return lane
        meter = Meter() if self._lanes else self.listing
        lane = Lane(stream.name, account, self._clock.now(), meter=meter)
        self._lanes.append(lane)
        return lane

    def close(self, lane: Lane) -> None:
        """Nothing is left to do in it."""
        if lane.finished_at is None:
            lane.finished_at = self._clock.now()
            if lane.not_bought and lane.status == "running" and not lane.read:
                lane.status, lane.errors = "skipped", lane.not_bought
            elif lane.not_bought:
                lane.notes += [f"skipped: {text}" for text in lane.not_bought]
            lane.status = "ok" if lane.status == "running" else lane.status
            whose = f" of account {lane.account_id}" if lane.account else ""
            log.debug("%s: %s%s: %s rows read", self._vendor, lane.stream, whose, f"{lane.rows:,}")

    def close_all(self, stream: Stream, still_busy: Set[int] = frozenset()) -> None:
        """Close the lanes of a stream but for those whose `id` is among the busy ones'."""
        for lane in self._lanes:
            if lane.stream == stream.name and id(lane) not in still_busy:
                self.close(lane)

    def fail(self, lane: Lane, failure: Exception, of: Slice | Days | None, *, stop: bool = True) -> None:
        """Note that something of a lane could not be had; with `stop` nothing more of it, or of its part, is tried."""
        error = self._named(failure)
        account = f"account {lane.account.id}" if lane.account else None
        text = self._redact(str(error.locate(self._vendor, account, lane.stream, str(of) if of else None)))
        part = of.part if isinstance(of, Slice) else None
        is_skipped = isinstance(error, NotEntitledError)
        if isinstance(error, QuotaError) or (isinstance(error, AccessError) and error.status == 401):
            self.refused, part = error, None
        if stop and part is not None:
            lane.stopped_parts.add(part)
        elif stop:
            lane.stopped, lane.finished_at = True, self._clock.now()
        if is_skipped and part is not None:
            # its neighbours may have been bought
            lane.not_bought.append(text)
        else:
            # what else of the lane was refused does not make up for what has failed
            lane.status = "skipped" if is_skipped and lane.status != "failed" else "failed"
            lane.errors.append(text)
        log.warning("%s%s", "skipped: " if is_skipped else "", text)

    def _named(self, error: Exception) -> SourceError:
        """A mistake of ours is one lane's failure too; its traceback is for whoever reads the log at debug level."""
        if isinstance(error, SourceError):
            return error
        log.debug("unexpected: %s", self._redact("".join(traceback.format_exception(error))))
        return SourceError(f"unexpected {type(error).__name__}: {error}", remedy="please report this")

    def read_otherwise(self, account_id: str, stream: str, day: date, how: str) -> None:
        """A day that the stream could not read in full has been read in full by other means."""
        for lane in self._lanes:
            if lane.stream == stream and lane.account_id == account_id:
                lane.incomplete.pop(day, None)
                lane.notes.append(f"{day} was read {how}")
