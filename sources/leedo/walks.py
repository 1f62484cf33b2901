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

import logging
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ..clock import Clock
from ..errors import AccessError, AnswerError, LimitError, QuotaError, SourceError, TerminalError, TransientError
from ..ledger import Ledger
from ..pages import WALKS, side_by_side
from ..pii import Pii
from ..session import Meter
from ..streams import Account, Lane, Run, Stream
from ..tables import concat
from . import tables
from .api import Api, Page
from .known import History, Known

log = logging.getLogger(__name__)

State = MutableMapping[str, Any]
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
        lane = run.open_lane(stream, None)
        name = stream.name
        if name not in self._walks:
            table = stream.tables[0]
            history = History(self._ledger.rows(History.table)) if History.table in stream.tables else None
            known = Known(table, self._ledger.rows(table), self._pii, history)
            self._walks[name] = Walk(
                name, known, partial(self._fetch, name), self._clock, incremental=self._incremental
            )
            self._walks[name].resume(state, self._ledger, self._api.size)
        walk = self._walks[name]
        try:
            if self._over is not None:
                raise TerminalError(self._over.message, remedy=self._over.remedy)
            whole = walk.read(run, lane, self._api.session.pool, self._ahead)
        except SourceError as error:
            self._over = self._over or (error if _stops_all(error) else None)
            if isinstance(self._over, LimitError) and name in (self._late or ()):
                lane.notes.append(f"the hour has nothing left for it; it was read at {state['whole'][name]}")
                run.close_lanes(stream, set())
            else:
                self._short = self._short or isinstance(self._over, LimitError)
                run.fail_lane(lane, error, None)
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
            lane = next(run.open_lane(stream, None) for stream in self._streams if stream.name == name)
            try:
                self._walks[name].known.detailed(self._api.detail(name, row_id, lane.meter), self._clock.now())
                self._detailed.add(name)
            except LimitError as error:
                self._over = error
                continue
            except SourceError as error:
                if not (isinstance(error, AccessError) and error.status == 404):
                    self._over = error if _stops_all(error) else None
                    run.fail_lane(lane, error, None)
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
                    run.open_lane(stream, None).notes.append(f"{left:,} details are left for the next run")
            self._due.clear()
        if not self._due:
            self._close(run)

    def _leave(self, name: str) -> None:
        self._due = deque(each for each in self._due if each[0] != name)

    def _close(self, run: Run) -> None:
        for stream in self._streams:
            run.close_lanes(stream, set())


class Walk:
    """One list on its way to its end. Ends are `meta.total`, and an empty, a short or a repeated page."""

    def __init__(
        self, name: str, known: Known, fetch: Callable[[int, Meter], Page], clock: Clock, *, incremental: bool
    ) -> None:
        self.known = known
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._incremental = incremental
        self._tries = 0
        self._parts = 0
        self._whole_before = False
        self._done = False
        self._cleared = 0
        self._start()

    def _start(self) -> None:
        self._cleared, self._parts = max(self._cleared, self._parts), 0
        self._page = 1
        self._size = 0
        self._total: int | None = None
        self._seen: set[str] = set()
        self._unsaved: set[str] = set()
        self._resumed = self._fell = self._ended = self._is_part = self._repeats = False
        self._previous: list[str] = []
        self._newest_first = _Order()

    def resume(self, state: State, ledger: Ledger, per_page: int) -> None:
        """Go on where an earlier run stopped; pages of another size are counted anew."""
        self._whole_before = self._name in state.get("whole", {})
        kept = state.get("walks", {}).get(self._name)
        if not kept:
            return
        self._parts = kept["parts"]
        if kept["per_page"] != per_page:
            self._start()
            return
        mine = (row for row in ledger.rows(tables.UNFINISHED_WALKS) if row["stream"] == self._name)
        self._seen = {row["row_id"] for row in mine}
        # rows that are gone by now have moved the others towards the front: by less than a page, as a rule
        self._page = max(kept["page"] - 1, 1)
        self._size, self._total = kept["size"], kept["total"]
        self._resumed = True
        log.info("leedo: %s: going on at page %s", self._name, self._page)

    def read(self, run: Run, lane: Lane, pool: Executor, ahead: int) -> bool:
        """Read on; whether the list has been read to its end. Raises AnswerError where its rows keep moving."""
        while self._read_pages(run, lane, pool, ahead):
            if not self._is_part:
                self._look_again(lane)
                if not self._holds:
                    self._tries += 1
                    log.info("leedo: %s: %s; reading it again", self._name, self._complaint)
                    complaint, repeats = self._complaint, self._repeats
                    self._start()
                    if self._tries < WALKS:
                        lane.rows = 0
                        continue
                    raise AnswerError(
                        complaint,
                        remedy="check sources.leedo.page_parameter" if repeats else "run again later",
                    )
                self.known.missing(self._seen, self._clock.now())
            self._done = True
            return True
        return False

    def changes(self, state: State, per_page: int) -> Iterator[Any]:
        """What has been read since the last call, and where the walk stands; it is committed together."""
        yield from self.known.changes()
        walks = state.setdefault("walks", {})
        parts = []
        if self._done:
            state.setdefault("whole", {})[self._name] = self._clock.now().isoformat(timespec="seconds")
            self._start()
            self._done = False
        if self._cleared:
            parts.append(tables.UNFINISHED_WALKS.markers((self._name, part) for part in range(self._cleared)))
            self._cleared = 0
        if self._unsaved:
            rows = [{"row_id": row_id, "part": self._parts, "stream": self._name} for row_id in sorted(self._unsaved)]
            parts.append(tables.UNFINISHED_WALKS.rows(rows))
            self._unsaved = set()
            self._parts += 1
        if parts:
            yield tables.UNFINISHED_WALKS.hinted(concat(parts))
        walks.pop(self._name, None)
        if self._parts:
            walks[self._name] = {
                "page": self._page,
                "per_page": per_page,
                "size": self._size,
                "total": self._total,
                "parts": self._parts,
            }

    def _read_pages(self, run: Run, lane: Lane, pool: Executor, ahead: int) -> bool:
        """Read pages until the list is at its end; False where the piece is."""
        if self._page == 1:
            self._take(1, self._fetch(1, lane.meter), lane)

        def numbers() -> Iterator[int]:
            number = self._page
            while self._goes_on(number) and not run.spent:
                yield number
                number += 1

        # what is not known to be there is not asked for
        ahead = 1 if self._total is None or self._incremental else ahead
        for number, page in side_by_side(pool, numbers(), lambda n: self._fetch(n, lane.meter), ahead):
            self._take(number, page.result(), lane)
            if self._ended:
                break
        return not self._goes_on(self._page)

    def _goes_on(self, number: int) -> bool:
        return not self._ended and (self._total is None or (number - 1) * self._size < self._total)

    def _take(self, number: int, page: Page, lane: Lane) -> None:
        """Note a page in its place, and whether the list ends with it."""
        ids = page.ids
        meets_known = any(row_id in self.known.rows and row_id not in self._seen for row_id in ids)
        fresh = self._note(page, lane)
        self._page = number + 1
        if number == 1:
            self._size = page.size or len(ids)
            if self._total is not None and len(ids) < self._total:
                # a page may be shorter than it says
                self._size = min(self._size, len(ids))
        self._newest_first.note([item.get("created_at") for item in page.items])
        self._repeats = bool(ids) and ids == self._previous
        self._previous = ids
        self._ended = not ids or self._repeats or len(ids) < self._size or (self._total is None and not fresh)
        if self._incremental and self._whole_before and meets_known and self._newest_first:
            self._ended = self._is_part = True

    def _note(self, page: Page, lane: Lane) -> int:
        """Note the rows of a page; returns how many of them this walk had not seen."""
        fresh = {row_id for row_id in page.ids if row_id not in self._seen}
        self.known.listed(page.items, self._clock.now())
        self._seen |= fresh
        self._unsaved |= fresh
        lane.rows += len(fresh)
        if page.total is not None:
            between = bool(self._previous)
            self._fell = self._fell or (between and self._total is not None and page.total < self._total)
            self._total = page.total
        return len(fresh)

    def _look_again(self, lane: Lane) -> None:
        """New rows come in at the front, as a rule: look there for those that are missing."""
        number = 1
        while self._page > 2 and self._total is not None and len(self._seen) < self._total:
            if not self._note(self._fetch(number, lane.meter), lane):
                return
            number += 1

    @property
    def _holds(self) -> bool:
        if self._total is None:
            return True
        # what is gone since an earlier run has been seen all the same
        enough = len(self._seen) >= self._total if self._resumed else len(self._seen) == self._total
        return enough and not self._fell

    @property
    def _complaint(self) -> str:
        if self._repeats:
            return f"page {self._page - 1} is the page before it: {len(self._seen):,} of {self._total:,} rows came"
        return f"{len(self._seen):,} rows came of a list of {self._total:,}: rows moved while they were read"


class _Order:
    """Whether rows are seen to come newest first."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._falls = self._rises = False

    def note(self, instants: Sequence[Any]) -> None:
        for instant in instants:
            if not isinstance(instant, str):
                self._rises = True
                return
            self._falls = self._falls or (self._last is not None and instant < self._last)
            self._rises = self._rises or (self._last is not None and instant > self._last)
            self._last = instant

    def __bool__(self) -> bool:
        return self._falls and not self._rises


def _stops_all(error: SourceError) -> bool:
    """Whether nothing else can be had of the vendor either."""
    return isinstance(error, (LimitError, QuotaError)) or (isinstance(error, AccessError) and error.status == 401)
