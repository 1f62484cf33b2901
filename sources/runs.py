"""From a vendor's streams to dlt resources: what was planned is read, and what happens when it cannot be.

The slices of a lane are read side by side with those of other lanes. A lane that fails keeps what it has and stops;
the others go on.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract import DltResource, DltSource

from .clock import Clock, StoppedError
from .due import Due
from .errors import AccessError, CeilingError, TerminalError
from .lanes import Lane, Lanes
from .meter import Meter
from .outbox import Outbox, digest_of, is_new
from .pii import KEEP, Pii
from .plan import Parts, Plan, Task, split
from .positions import Positions
from .session import Session
from .streams import Account, Asked, Batch, Read, Reports, Slice, Stream, Walks, position_of
from .tables import Table
from .windows import ONE_DAY, Days, Unit

log = logging.getLogger(__name__)
# rows that are yielded at once: dlt's cost is per item, memory's per row
BLOCK = 10_000
# windows that are read at once; of those that are days together, and have many pages, half as many
AHEAD = 8
PIECE = timedelta(minutes=5)
# a vendor without a limit makes no piece that a small machine could not load
ROWS = 500_000


@dataclass(frozen=True)
class _Piece:
    """Where a piece begins and ends: the session's total of requests, and an instant of the monotonic clock."""

    began: int
    requests: int
    until: float


class Run:
    """One run of one vendor, through as many load packages (pieces) as it takes.

    `accounts` lists what the key can see; it is called once, when something is first read. `requests_per_second` is
    the budget's, and bounds a piece to five minutes of it. `parts` lists an account's parts (feeds, lists) for a stream
    that is parted. `unit` is the calendar window. `done` are the slices that have been read, with their streams.
    """

    def __init__(
        self,
        *,
        vendor: str,
        streams: Sequence[Stream],
        read: Read,
        accounts: Callable[[Meter], Sequence[Account]],
        session: Session,
        clock: Clock,
        start: date | None,
        lookback: int,
        requests_per_second: float,
        asked: Asked = Asked(),
        parts: Parts | None = None,
        unit: Unit = "month",
        pii: Pii = KEEP,
        reports: Reports | None = None,
        walks: Walks | None = None,
    ) -> None:
        self.vendor = vendor
        self.streams = [s for s in streams if asked.streams is None or s.name in asked.streams]
        self.asked = asked
        self.unloaded = 0
        self.session = session
        self.lanes = Lanes(vendor, clock, session.redact)
        self.done: list[tuple[str, Slice]] = []
        self._read = read
        self._list_accounts = accounts
        self._clock = clock
        self.due = Due(clock, start, lookback, unit, asked.days)
        self._plan = Plan(asked, self.due, self.lanes, parts)
        self._pii = pii
        self._reports = reports
        self._walks = walks
        self._crowded = False
        self._queues: dict[str, deque[Task]] = {}
        self._running: dict[str, deque[Task]] = {}
        self._requests_per_piece = max(int(requests_per_second * PIECE.total_seconds()), 1)
        self._piece: _Piece | None = None
        self._out_of_order: set[Days] = set()
        self._extracting: set[str] = set()
        self._hinted: set[tuple[str, str]] = set()

    @cached_property
    def accounts(self) -> list[Account]:
        """The accounts that this run reads."""
        known = list(self._list_accounts(self.lanes.listing))
        wanted = self.asked.accounts
        if wanted is None:
            return known
        mine = [account for account in known if account.id in wanted]
        missing = sorted(wanted - {account.id for account in known})
        if not mine:
            raise _unseen(", ".join(missing), known)
        first = self.streams[0]
        for account_id in missing:
            # one that is not there any more keeps nobody else away, and has no lane of its own: nothing would end it
            lane = self.lanes.open(first, None)
            self.lanes.fail(lane, _unseen(account_id, known), None, stop=first.by != "vendor")
        return mine

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(AHEAD, thread_name_prefix="window")

    @property
    def finished(self) -> bool:
        """Whether everything that was asked for has been read, or has failed."""
        if any(self._walks.left(stream) for stream in self.streams if stream.by == "walk" and self._walks):
            return False
        if not self.has_read:
            return False
        waits = any(stream.by == "report" for stream in self.streams)
        return not (waits and self._reports is not None and (self._reports.left or self._crowded))

    @property
    def has_read(self) -> bool:
        """Whether every stream that is neither waited for nor walked has been read to its end."""
        read = [stream for stream in self.streams if stream.by not in ("report", "walk")]
        return not self._extracting and all(self.is_read(stream.name) for stream in read)

    def is_read(self, stream: str) -> bool:
        """Whether nothing of a stream is left to be read in this run."""
        if all(each.name != stream for each in self.streams):
            return True
        return self._queues.get(stream) == deque() and not self._running.get(stream)

    @property
    def out_of_order(self) -> Days | None:
        """The span of days that were read although later ones may be loaded: a backfill's, and those tried again."""
        read = self._out_of_order
        return Days(min(days.first for days in read), max(days.last for days in read)) if read else None

    def days_of(self, table: Table) -> dict[str, Days]:
        """By account, from the first to the last day that has been read of a table."""
        found: dict[str, Days] = {}
        filling = {stream.name for stream in self.streams if table in stream.tables}
        for stream, of in self.done:
            if stream in filling and of.account and of.days:
                known = found.get(of.account.id, of.days)
                found[of.account.id] = Days(min(known.first, of.days.first), max(known.last, of.days.last))
        return found

    def close(self) -> None:
        """Let go of threads and connections; waits for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.session.close()

    def source(self, *, whole: bool = False) -> DltSource:
        """The next piece as a dlt source: one resource per stream. Nothing is read before dlt extracts it.

        With `whole`, the piece is everything that is left.
        """
        self._piece = (
            None
            if whole
            else _Piece(
                began=self.session.total.requests,
                requests=self.session.total.requests + self._requests_per_piece,
                until=self._clock.monotonic() + PIECE.total_seconds(),
            )
        )

        self.unloaded = 0
        self._hinted = set()

        @dlt.source(name=self.vendor, section=self.vendor, max_table_nesting=0, root_key=False)
        def piece() -> Iterator[DltResource]:
            for stream in self.streams:
                yield self._resource(stream)

        return piece()

    def committed(self) -> None:
        """The last piece is in the warehouse."""
        if self._reports is not None:
            self._reports.committed()

    def _resource(self, stream: Stream) -> DltResource:
        if stream.by == "report":
            assert self._reports is not None
            return self._waiting(stream, self._reports)
        if stream.by == "walk":
            assert self._walks is not None
            return self._walking(stream, self._walks)

        @dlt.resource(name=stream.name)
        def rows() -> Iterator[Any]:
            yield from self._extract(stream)

        return rows()

    def _walking(self, stream: Stream, walks: Walks) -> DltResource:
        @dlt.resource(name=stream.name)
        def rows() -> Iterator[Any]:
            yield from self._new_tables(stream)
            if walks.left(stream):
                yield from walks.rows(self, stream, dlt.current.source_state())

        return rows()

    def _new_tables(self, stream: Stream) -> Iterator[Any]:
        known = dlt.current.source_schema().tables
        for table in stream.tables:
            if is_new(table, known):
                yield table.hinted(table.markers())

    def item(self, stream: Stream, table: Table, rows: pa.Table) -> Any:
        """Rows as they may be loaded, as an item that the stream's dlt resource yields."""
        rows = self._pii.clean(table, rows)
        if (stream.name, table.name) in self._hinted:
            # dlt works out a table anew with every hint
            return dlt.mark.with_table_name(rows, table.name)
        self._hinted.add((stream.name, table.name))
        return table.hinted(rows)

    def _waiting(self, stream: Stream, reports: Reports) -> DltResource:
        @dlt.resource(name=stream.name)
        async def rows() -> AsyncIterator[Any]:
            for item in self._new_tables(stream):
                yield item
            self._crowded = False
            async for item in reports.reports(self, stream, Positions(dlt.current.source_state())):
                yield item

        return rows()

    def _extract(self, stream: Stream) -> Iterator[Any]:
        positions = Positions(dlt.current.source_state())
        if stream.name not in self._queues:
            self._queues[stream.name] = deque(self._plan.tasks(stream, self.accounts, positions))
        queue, running = self._queues[stream.name], self._running.setdefault(stream.name, deque())
        ahead = AHEAD // 2 if stream.by == "days" else AHEAD
        self._extracting.add(stream.name)
        out = Outbox(stream, dlt.current.source_schema().tables)
        waited = False
        try:
            while queue or running:
                while queue and len(running) < ahead and not self.spent:
                    running.append(self._begin(stream, queue.popleft()))
                # what is still being read at a piece's end is the next one's: the vendor is asked on while it loads. Of
                # a piece that rows have filled it is a part: the memory of a small machine does for one such piece
                if not running or (0 < self.unloaded < ROWS and self.spent and not running[0].ready):
                    break
                if not waited:
                    # all streams are begun before the first answer is waited for
                    waited = True
                    yield None
                task = running.popleft()
                try:
                    stopped = task.lane.is_stopped(task.slice.part)
                    batch = None if stopped or task.future is None else task.future.result()
                except CeilingError as error:
                    if task.days is not None and len(task.days) > 1 and stream.by != "window":
                        split(task, error.pages, queue, running)
                        continue
                    self._incomplete(task, error, positions)
                    batch = None
                except (StoppedError, CancelledError):
                    raise
                except Exception as error:  # noqa: BLE001 — isolation: one lane never stops the others
                    self.lanes.fail(task.lane, error, task.slice)
                    self._leave_later(task)
                    batch = None
                if batch is not None:
                    batch = {name: self._pii.clean(out.tables[name], rows) for name, rows in batch.items()}
                    if self._loaded(stream, task, batch, positions):
                        out.add(batch, task.slice)
                    # a day without rows is worth loading, too
                    self.unloaded += 1 + sum(rows.num_rows for rows in batch.values())
                self._finish(task.lane, queue, running)
                if out.rows >= BLOCK:
                    yield from out.flush()
            yield from out.flush(everything=True)
        finally:
            self._extracting.discard(stream.name)

    def others_finished(self, stream: Stream) -> bool:
        """Whether every other stream has been read as far as this piece goes."""
        return not self._extracting and all(
            other.name in self._queues for other in self.streams if other.by != "report" and other is not stream
        )

    def account(self, account_id: str) -> Account | None:
        return next((account for account in self.accounts if account.id == account_id), None)

    @property
    def spent(self) -> bool:
        """Whether this piece has used up its share of the budget or of time."""
        piece = self._piece
        if piece is None:
            return False
        made, now = self.session.total.requests, self._clock.monotonic()
        if made >= piece.requests or now >= piece.until or self.unloaded >= ROWS:
            return True
        # what has been read is not kept waiting for a turn that comes after the piece
        return made > piece.began and now + self.session.budget.pause >= piece.until

    def _begin(self, stream: Stream, task: Task) -> Task:
        if self.lanes.refused is not None and not task.lane.stopped:
            # an error of its own, because an error names the lane that it stopped
            refused = TerminalError(self.lanes.refused.message, remedy=self.lanes.refused.remedy)
            self.lanes.fail(task.lane, refused, replace(task.slice, part=None))
        if task.future is None and not task.lane.is_stopped(task.slice.part):
            task.future = self._pool.submit(self._read_window, stream, task.slice, task.lane.meter)
        return task

    def _read_window(self, stream: Stream, of: Slice, meter: Meter) -> Batch:
        with self.session.window():
            return self._read(stream, of, meter)

    def _loaded(self, stream: Stream, task: Task, batch: Batch, positions: Positions) -> bool:
        """Note what has been read; returns whether it is worth loading."""
        lane = task.lane
        lane.read = True
        self.done.append((lane.stream, task.slice))
        lane.rows += next(iter(batch.values())).num_rows if batch else 0
        name = position_of(lane.stream, task.slice.part)
        if task.days is None or lane.account is None:
            if stream.dated and self.asked.days is None and (days := _days_of(batch, *stream.dated)):
                positions.reach(lane.account_id, lane.stream, days)
            # what is read whole, and is what it was, writes nothing; a backfill puts right what has been changed here
            is_new = positions.is_new(lane.account_id, name, digest_of(batch))
            return is_new or self.asked.days is not None
        positions.mark_complete(lane.account.id, name, task.days)
        if task.moves_position:
            positions.advance(lane.account.id, name, task.days)
        else:
            self._out_of_order.add(task.days)
        if task.slice.window is not None and self.asked.days is not None:
            positions.begin_window(lane.account.id, name, task.slice.window, task.days.first)
        return True

    def _incomplete(self, task: Task, error: CeilingError, positions: Positions) -> None:
        lane = task.lane
        if task.days is None or lane.account is None:
            self.lanes.fail(lane, error, task.slice)
            return
        name, day = position_of(lane.stream, task.slice.part), error.day or task.days.first
        positions.mark_incomplete(lane.account.id, name, day, error.message)
        if task.moves_position:
            positions.advance(lane.account.id, name, task.days)
        self._crowded = True
        error.locate(
            self.vendor, f"account {lane.account.id}", lane.stream, str(replace(task.slice, days=Days(day, day)))
        )
        lane.incomplete[day] = str(error)
        log.warning("%s", error)

    def _leave_later(self, task: Task) -> None:
        """Name the days after one that could not be had: a position never moves past it."""
        in_order = task.slice.window is None and (task.moves_position or self.asked.days is not None)
        days, window = task.days, task.lane.window
        if in_order and days is not None and window is not None and days.last < window.last:
            task.lane.notes.append(f"{Days(days.last + ONE_DAY, window.last)}: not loaded either")

    def _finish(self, lane: Lane, *left: deque[Task]) -> None:
        """Close a lane of which nothing is left to read."""
        if not any(task.lane is lane for tasks in left for task in tasks):
            self.lanes.close(lane)


def _unseen(missing: str, known: Sequence[Account]) -> AccessError:
    return AccessError(
        f"account {missing} is not among those that the key can see "
        f"({', '.join(sorted(account.id for account in known)) or 'none'})",
        status=404,
        remedy="check --account and account_ids",
    )


def _days_of(batch: Batch, table: str, column: str) -> Days | None:
    """From the first to the last day of a column of instants, in UTC."""
    bounds = pc.min_max(batch[table][column]).as_py()
    return Days(bounds["min"].date(), bounds["max"].date()) if bounds["max"] else None
