"""What a run is to read of a stream, as slices in the order of their lanes; and how one that is too wide is cut."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace

from .clock import StoppedError
from .due import Due
from .lanes import Lane, Lanes
from .meter import Meter
from .positions import Positions
from .streams import Account, Asked, Batch, Slice, Stream, position_of
from .windows import Days

# pages of a window that was cut: far below what a vendor cuts off, because all that are read at once are held
PART = 30

Parts = Callable[[Stream, Account, Meter], Sequence[str]]


@dataclass
class Task:
    """One slice to read: of which lane, whether the lane's position moves with it, and its reading once begun."""

    lane: Lane
    slice: Slice
    moves_position: bool
    future: "Future[Batch] | None" = None

    @property
    def days(self) -> Days | None:
        return self.slice.days

    @property
    def ready(self) -> bool:
        return self.future is None or self.future.done()


class Plan:
    """Works out what is left to read; `parts` lists an account's parts for a stream that is parted."""

    def __init__(self, asked: Asked, due: Due, lanes: Lanes, parts: Parts | None) -> None:
        self._is_backfill = asked.days is not None
        self._due = due
        self._lanes = lanes
        self._parts = parts

    def tasks(self, stream: Stream, accounts: Sequence[Account], positions: Positions) -> Iterator[Task]:
        """What is left to read of a stream, oldest first in each lane; a lane without any is closed."""
        if stream.by == "vendor":
            yield Task(self._lanes.open(stream, None), Slice(), moves_position=False)
            return
        for account in accounts:
            lane = self._lanes.open(stream, account)
            planned = list(self._of(stream, lane, account, positions))
            if not planned:
                self._lanes.close(lane)
            yield from planned

    def _of(self, stream: Stream, lane: Lane, account: Account, positions: Positions) -> Iterator[Task]:
        if stream.by == "account":
            # a part that is gone is read once more, as an empty one
            known = positions.parts(account.id, stream.name) if stream.parted else ()
            for part in dict.fromkeys([*self._parts_of(stream, lane, account), *known]):
                yield Task(lane, Slice(account, part=part), moves_position=False)
        elif stream.by == "window":
            yield from self._windows(stream, lane, account, positions)
        else:
            yield from self._days(stream, lane, account, positions)

    def _days(self, stream: Stream, lane: Lane, account: Account, positions: Positions) -> Iterator[Task]:
        days = lane.window = self._due.days(account, positions.loaded(account.id, stream.name))
        # what is new comes first: an old day that still cannot be had must not keep it away
        for part in days.parts(len(days) if stream.by == "day" else 1) if days else ():
            yield Task(lane, Slice(account, part), moves_position=not self._is_backfill)
        for day in [] if self._is_backfill else positions.incomplete(account.id, stream.name):
            if days is None or day not in days:
                yield Task(lane, Slice(account, Days(day, day)), moves_position=False)

    def _windows(self, stream: Stream, lane: Lane, account: Account, positions: Positions) -> Iterator[Task]:
        """What has passed of the calendar windows that are due, for each part of the account by itself."""
        for part in self._parts_of(stream, lane, account):
            name = position_of(stream.name, part)
            loaded, begun = positions.loaded(account.id, name), positions.begun_windows(account.id, name)
            lane.widen(self._due.days(account, loaded))
            due = self._due.windows(account, loaded, begun)
            retried = [] if self._is_backfill else positions.incomplete(account.id, name)
            again = self._due.windows_of(account, loaded, begun, retried)
            for window, days in (due | {first: again[first] for first in again.keys() - due}).items():
                moves = window in due and not self._is_backfill
                yield Task(lane, Slice(account, days, window, part), moves)

    def _parts_of(self, stream: Stream, lane: Lane, account: Account) -> Sequence[str | None]:
        """The parts of the account that a stream is read by, each by itself; none where they cannot be had."""
        if not stream.parted or self._parts is None:
            return (None,)
        try:
            return self._parts(stream, account, lane.meter)
        except (StoppedError, CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 — isolation: one lane never stops the others
            self._lanes.fail(lane, error, None)
            return ()


def split(task: Task, pages: int, queue: deque[Task], running: deque[Task]) -> None:
    """Cut a window that the vendor would cut off; what follows it in its lane waits behind the parts."""
    assert task.days is not None
    parts = [
        Task(task.lane, replace(task.slice, days=days), task.moves_position)
        for days in task.days.parts(max(2, math.ceil(pages / PART)))
    ]
    later = [other for other in running if other.lane is task.lane]
    others = [other for other in running if other.lane is not task.lane]
    running.clear()
    running.extend(others)
    queue.extendleft(reversed(parts + later))
