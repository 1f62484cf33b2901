"""The lists, walked page by page through as many pieces and runs as the hourly budget takes; then the details.

An account may have more pages than an hour has requests. A walk that is not at its end when the budget is goes on in
the next run where it stopped: its next page stands in the state,

    {"walks": {list: {"page": 99, "per_page": 100, "size": 100, "total": 50000, "parts": 2}},
     "whole": {list: "2026-03-18T15:30:00+00:00"},
     "round": [list, ...]}

and the rows that it has seen in the table `unfinished_walks`. `whole` is when a list was last read to its end. `round`
are those that have been while an hour was too short for all: the next run reads them last, and does without where its
hour ends, too, so that no list is starved and a round of all of them has an end.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ..clock import Clock
from ..errors import AccessError, LimitError, QuotaError, SourceError, TerminalError, TransientError
from ..ledger import Ledger
from ..meter import Meter
from ..pii import Pii
from ..runs import Run
from ..streams import Account, Stream
from .api import Api, Page
from .known import History, Known
from .walk import State, Walk

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Lists:
    """All lists that a run reads, and their details: `sources.streams.Walks`.

    `ahead` pages are read side by side. With `details`, rows are fetched one by one for what lists do not show; with
    `incremental`, a list that has been read whole before is read only as far as it is new.
    """

    def __init__(
        self,
        api: Api,
        streams: Sequence[Stream],
        ledger: Ledger,
        clock: Clock,
        pii: Pii,
        *,
        ahead: int,
        details: bool,
        incremental: bool,
    ) -> None:
        self._api = api
        self._streams = streams
        self._ledger = ledger
        self._clock = clock
        self._pii = pii
        self._ahead = ahead
        self._details = details
        self._incremental = incremental
        self._first: dict[str, Page | SourceError] = {}
        self._walks: dict[str, Walk] = {}
        self._unread = {stream.name for stream in streams}
        self._round: set[str] = set()
        self._late: frozenset[str] | None = None
        self._short = False
        self._yields = False
        self._over: SourceError | None = None
        self._due: deque[tuple[str, str]] = deque()
        self._detailed: set[str] = set()

    def first(self, meter: Meter) -> list[Account]:
        """The first page of the first list that can be read; there are no accounts. Raises where there is none."""
        refused: list[SourceError] = []
        for stream in self._streams:
            try:
                self._first[stream.name] = self._api.page(stream.name, 1, meter)
                return []
            except SourceError as error:
                self._first[stream.name] = error
                refused.append(error)
                # a list that cannot be had is its own trouble; a vendor that is not there is everybody's
                silent = sum(isinstance(each, TransientError) for each in refused)
                if _stops_all(error):
                    raise
                if silent > 1 or len(refused) == len(self._streams):
                    raise refused[0] from None
        return []

    def left(self, stream: Stream) -> bool:  # noqa: ARG002 — whichever is asked first does what is due next
        """Whether something is still to be read."""
        return bool(self._unread or self._due)

    def rows(self, run: Run, stream: Stream, state: State) -> Iterator[Any]:  # noqa: ARG002 — see `left`
        """Read on until the piece is spent, and yield what has changed in any of the lists."""
        if self._yields or run.spent:
            return
        self._yields = True
        try:
            self._work(run, state)
            for walk in self._walks.values():
                yield from walk.changes(state, self._api.size)
        finally:
            self._yields = False

    def _work(self, run: Run, state: State) -> None:
        if self._late is None:
            self._round = set(state.get("round", ()))
            # where all that is asked for has been read, none of it is late
            self._late = frozenset(self._round if self._unread - self._round else ())
        late = self._late
        for stream in sorted(self._streams, key=lambda stream: stream.name in late):
            if stream.name in self._unread and not run.spent:
                self._read(run, stream, state)
                if not self._unread:
                    state["round"] = sorted(self._round) if self._short else []
                    self._plan_details(run)
        if self._due:
            self._fetch_details(run)

    def _fetch(self, name: str, number: int, meter: Meter) -> Page:
        """A page; the first one is not asked for twice."""
        kept = self._first.pop(name, None) if number == 1 else None
        if isinstance(kept, SourceError):
            raise kept
        return kept or self._api.page(name, number, meter)

    def _read(self, run: Run, stream: Stream, state: State) -> None:
        lane = run.lanes.open(stream, None)
        name = stream.name
        if name not in self._walks:
            table = stream.tables[0]
            history = History(self._ledger.rows(History.table)) if History.table in stream.tables else None
            known = Known(table, self._ledger.rows(table), self._pii, history)
            self._walks[name] = Walk(
                name, known, partial(self._fetch, name), self._clock, incremental=self._incremental
            )
            per_hour = self._api.session.budget.limits[0].requests
            if self._walks[name].resume(state, self._ledger, self._api.size, lane, per_hour):
                # it begins with another page; by the time that it looks at the first one, more rows may have come in
                self._first.pop(name, None)
        walk = self._walks[name]
        try:
            if self._over is not None:
                raise TerminalError(self._over.message, remedy=self._over.remedy)
            whole = walk.read(run, lane, self._api.session.pool, self._ahead)
        except SourceError as error:
            self._over = self._over or (error if _stops_all(error) else None)
            if isinstance(self._over, LimitError) and name in (self._late or ()):
                lane.notes.append(f"the hour has nothing left for it; it was read at {state['whole'][name]}")
                run.lanes.close_all(stream)
            else:
                self._short = self._short or isinstance(self._over, LimitError)
                run.lanes.fail(lane, error, None)
            self._unread.discard(name)
        else:
            if whole:
                self._unread.discard(name)
                self._round.add(name)

    def _plan_details(self, run: Run) -> None:
        if self._details:
            due = [(row["created_at"] or LONG_AGO, n, row["id"]) for n, w in self._walks.items() for row in w.known.due]
            self._due.extend((name, row_id) for _, name, row_id in sorted(due, reverse=True))
        if not self._due:
            self._close(run)

    def _fetch_details(self, run: Run) -> None:
        """Rows by themselves, the newest first, while the budget lasts: nothing is waited for."""
        while self._due and not run.spent and not (self._over or self._api.session.budget.pause):
            name, row_id = self._due[0]
            lane = next(run.lanes.open(stream, None) for stream in self._streams if stream.name == name)
            try:
                self._walks[name].known.detailed(self._api.detail(name, row_id, lane.meter), self._clock.now())
                self._detailed.add(name)
            except LimitError as error:
                self._over = error
                continue
            except SourceError as error:
                if not (isinstance(error, AccessError) and error.status == 404):
                    self._over = error if _stops_all(error) else None
                    run.lanes.fail(lane, error, None)
                    self._leave(name)
                elif name not in self._detailed:
                    lane.notes.append(f"/{name}/<id> answered 404: details of {name} are left out")
                    self._leave(name)
                # else a row that is gone since it was listed
            if self._due and self._due[0] == (name, row_id):
                self._due.popleft()
        if self._over or self._api.session.budget.pause:
            for stream in self._streams:
                if left := sum(name == stream.name for name, _ in self._due):
                    run.lanes.open(stream, None).notes.append(f"{left:,} details are left for the next run")
            self._due.clear()
        if not self._due:
            self._close(run)

    def _leave(self, name: str) -> None:
        self._due = deque(each for each in self._due if each[0] != name)

    def _close(self, run: Run) -> None:
        for stream in self._streams:
            run.lanes.close_all(stream)


def _stops_all(error: SourceError) -> bool:
    """Whether nothing else can be had of the vendor either."""
    return isinstance(error, (LimitError, QuotaError)) or (isinstance(error, AccessError) and error.status == 401)
