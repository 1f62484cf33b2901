"""One list, page by page to its end, through as many pieces and runs as that takes."""

import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Executor
from typing import Any

from ..clock import Clock
from ..errors import AnswerError
from ..lanes import Lane
from ..ledger import Ledger
from ..meter import Meter
from ..pages import WALKS, side_by_side
from ..runs import Run
from ..tables import concat
from . import tables
from .api import Page
from .known import Known

log = logging.getLogger(__name__)

State = MutableMapping[str, Any]


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
        self._resumed = self._fell = self._ended = self._is_part = self._repeats = self._refused = False
        self._previous: list[str] = []
        self._newest_first = _Order()

    def resume(self, state: State, ledger: Ledger, per_page: int, lane: Lane, per_hour: int) -> bool:
        """Go on where an earlier run stopped, if it did; pages of another size are counted anew.

        A list that an hour's requests read twice is begun again: what has changed on the pages before is not missed.
        """
        self._whole_before = self._name in state.get("whole", {})
        kept = state.get("walks", {}).get(self._name)
        if not kept:
            return False
        self._parts = kept["parts"]
        is_short = kept["total"] is not None and 2 * kept["total"] <= per_hour * kept["size"]
        if kept["per_page"] != per_page or is_short:
            self._start()
            return False
        mine = (row for row in ledger.rows(tables.UNFINISHED_WALKS) if row["stream"] == self._name)
        self._seen = {row["row_id"] for row in mine}
        # rows that are gone by now have moved the others towards the front: by less than a page, as a rule
        self._page = max(kept["page"] - 1, 1)
        self._size, self._total = kept["size"], kept["total"]
        self._resumed = True
        log.info("leedo: %s: going on at page %s", self._name, self._page)
        if self._page > 1:
            lane.notes.append(
                f"pages 1 to {self._page - 1} were read by an earlier run; what has changed on them comes with the next"
            )
        return self._page > 1

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
                if self._is_certain:
                    self.known.missing(self._seen, self._clock.now())
                else:
                    lane.notes.append(f"page {self._page - 1} may not be the last: no row is taken for deleted")
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
        self._refused = page.refused
        self._previous = ids
        self._ended = not ids or self._repeats or (self._total is None and (len(ids) < self._size or not fresh))
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
    def _is_certain(self) -> bool:
        """Whether nothing follows: so the vendor's count says, or a page that was not full.

        Without either, a second page that repeats the first or is refused may mean that it was not asked for rightly.
        """
        return self._total is not None or self._page > 3 or not (self._repeats or self._refused)

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
