"""Walking the pages of a window: side by side where their number is known, one after another where it is not.

The walker is told by the vendor's package what a page says of its successors; it notices pages that repeat and rows
that moved, and it asks for no page that the vendor would cut off.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from .errors import AccessError, CeilingError, CountError, MovedError, RequestError
from .objects import Json

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

WALKS = 3
# what a vendor may answer to a page after the last one; of a second page, the others may mean that it was asked wrongly
NO_SUCH_PAGE, REFUSED = (404, 416), (400, 422)


@dataclass(frozen=True)
class Page:
    """One page: its rows, everything else it brought, and what it says of the pages after it.

    `last` is the number of the last page where the vendor names it; `more` is whether a page follows, None where the
    vendor does not say. `total` is how many rows the vendor counts in all.
    """

    items: list[Any]
    document: Any
    last: int | None = None
    more: bool | None = None
    total: int | None = None


def identity(item: Json) -> str:
    """By what a row is told from others: its `id`."""
    return str(item["id"] if isinstance(item, dict) else item.id)


def side_by_side(
    pool: Executor, work: Iterable[T], do: Callable[[T], R], ahead: int
) -> Iterator[tuple[T, "Future[R]"]]:
    """Do `work` in `pool`, at most `ahead` pieces at once, and hand the futures back in the order of the work."""
    running: deque[tuple[T, Future[R]]] = deque()
    try:
        for piece in work:
            running.append((piece, pool.submit(do, piece)))
            if len(running) >= ahead:
                yield running.popleft()
        while running:
            yield running.popleft()
    finally:
        for _, future in running:
            future.cancel()


def walk(
    fetch: Callable[[int], Page],
    *,
    size: int,
    pool: Executor,
    ahead: int,
    ceiling: int | None = None,
    first: Page | None = None,
    identify: Callable[[Any], Any] = identity,
) -> Iterator[Page]:
    """Yield the pages of one window, each row once; restarts are the caller's (`settled`).

    `ceiling` is the number of pages up to which the vendor shows a window whole; `first` is page 1, where it has been
    fetched already. Raises CeilingError, before any page past the ceiling is asked for, where there are more or where
    the last one that may be shown is full; MovedError where pages repeat or rows went missing while they were read,
    CountError where the vendor counts others than it shows.
    """
    first = first or fetch(1)
    pages = first.last
    held: dict[int, Page] = {1: first}
    if ceiling is not None and pages is not None and pages >= ceiling:
        if pages == ceiling and ceiling not in held:
            held[ceiling] = fetch(ceiling)
        if pages > ceiling or len(held[ceiling].items) >= size:
            raise CeilingError(f"{pages} pages are more than the vendor shows", pages=pages)
    seen: set[Any] = set()
    if pages is not None:
        numbers = range(2, pages + 1)
        rest: Iterator[Page] = (
            future.result()
            for _, future in side_by_side(pool, numbers, lambda number: held.get(number) or fetch(number), ahead)
        )
    else:
        rest = _one_by_one(fetch, first, size, ceiling, seen, identify)
    walked = received = repeated = 0
    totals: list[int] = []
    for page in chain([first], rest):
        totals += [] if page.total is None else [page.total]
        shown = _by_id(page, identify)
        fresh = [item for name, item in shown.items() if name not in seen]
        seen.update(shown)
        walked += 1
        received += len(page.items)
        repeated += len(shown) - len(fresh)
        yield Page(fresh, page.document)
    if repeated:
        # a row that comes in at the front pushes one row over each page's end. Read one after another, no other row is
        # missed then; read side by side, or after any other movement, one may be
        page = fetch(1)
        shown = _by_id(page, identify)
        fresh = [item for name, item in shown.items() if name not in seen]
        if ahead > 1 or len(fresh) * (walked - 1) < repeated:
            raise MovedError(f"{repeated} rows came twice: rows moved while they were read")
        seen.update(shown)
        totals += [] if page.total is None else [page.total]
        yield Page(fresh, page.document)
    # a vendor's pages may be smaller than asked for: the first of several is a full one
    full = min(size, len(first.items))
    if pages is not None and received - repeated < (pages - 1) * full + 1 and pages > 1:
        raise MovedError(f"{received - repeated} rows on {pages} pages: rows moved while they were read")
    # a count that rises is made up for at the front, as above; one that falls means that a row was passed over
    if totals and totals[0] != totals[-1] and (ahead > 1 or totals[0] > totals[-1]):
        raise MovedError(f"first {totals[0]} rows, then {totals[-1]}: rows moved while they were read")
    # a row that one page shows twice may have been counted twice
    if totals and totals[-1] not in (len(seen), received - repeated):
        raise CountError(f"the vendor counts {totals[-1]:,} rows and shows {len(seen):,}")


def _by_id(page: Page, identify: Callable[[Any], Any]) -> dict[Any, Any]:
    """The rows of a page; one that it shows twice, once."""
    return dict(zip(map(identify, page.items), page.items, strict=True))


def _one_by_one(
    fetch: Callable[[int], Page],
    page: Page,
    size: int,
    ceiling: int | None,
    seen: set[Any],
    identify: Callable[[Any], Any],
) -> Iterator[Page]:
    """The pages after the first where their number is not known: until one is not full."""
    number = 1
    while page.more if page.more is not None else len(page.items) >= size or _counts_more(page, seen):
        if ceiling is not None and number >= ceiling:
            raise CeilingError(f"{number} full pages are as many as the vendor shows", pages=number + 1)
        number += 1
        try:
            page = fetch(number)
        except (RequestError, AccessError) as error:
            if page.more is None and error.status in (*NO_SUCH_PAGE, *(REFUSED if number > 2 else ())):
                # nobody had said that there is one
                log.info("page %s was refused (%s): the one before it is taken for the last", number, error.message)
                return
            raise
        if page.more and not page.items:
            raise MovedError(f"page {number} is empty and names another one")
        if page.items and all(identify(item) in seen for item in page.items):
            raise MovedError(f"page {number} repeats what came before it")
        yield page
    if ceiling is not None and number >= ceiling and len(page.items) >= size:
        raise CeilingError(f"{number} full pages are as many as the vendor shows", pages=number)


def _counts_more(page: Page, seen: set[Any]) -> bool:
    """Whether the vendor counts more rows than have been seen, and still shows some: its pages are small ones."""
    return bool(page.items) and page.total is not None and len(seen) < page.total


def settled(read: Callable[[int], R], ahead: int) -> R:
    """Read a window; where its pages changed under the walk read it again, page by page, a few times.

    `read` takes how many pages may be read side by side. What the vendor counts and never shows is past its ceiling:
    CeilingError.
    """
    for attempt in range(1, WALKS + 1):
        try:
            return read(ahead if attempt == 1 else 1)
        except MovedError as error:
            if attempt == WALKS and isinstance(error, CountError):
                raise CeilingError(error.message, pages=0) from None
            if attempt == WALKS:
                raise
            log.info("%s; reading the window again", error.message)
    raise AssertionError("unreachable")
