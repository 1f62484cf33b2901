"""Windows are walked whole, each row once and in order, or not at all."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.errors import AnswerError, CeilingError, CountError, MovedError, RequestError, TransientError
from sources.pages import WALKS, Page, settled, side_by_side, walk

SIZE = 10


@dataclass
class Vendor:
    """Pages of rows. `tells` is what a page says of those after it; `before` happens before a page is answered."""

    rows: list[int]
    tells: str = "last"
    before: Callable[[int], None] = lambda number: None
    # how many rows more than there are it counts; None where it does not count
    over: int | None = None
    asked: list[int] = field(default_factory=list)

    def fetch(self, number: int) -> Page:
        self.asked.append(number)
        self.before(number)
        start = (number - 1) * SIZE
        items = [{"id": n} for n in self.rows[start : start + SIZE]]
        return Page(
            items,
            {"page": number},
            last=max(-(-len(self.rows) // SIZE), 1) if self.tells == "last" else None,
            more=start + SIZE < len(self.rows) if self.tells == "more" else None,
            total=None if self.over is None else len(self.rows) + self.over,
        )


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as started:
        yield started


def read(vendor: Vendor, pool: Executor, ceiling: int | None = None, ahead: int = 4) -> list[int]:
    pages = walk(vendor.fetch, size=SIZE, pool=pool, ahead=ahead, ceiling=ceiling)
    return [item["id"] for page in pages for item in page.items]


TELLS = pytest.mark.parametrize("tells", ["last", "more", "nothing"])


class TestWalk:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
    @given(count=st.integers(0, 75), ahead=st.integers(1, 6), tells=st.sampled_from(["last", "more", "nothing"]))
    def test_each_row_once_and_in_order(self, pool: Executor, count: int, ahead: int, tells: str) -> None:
        vendor = Vendor(list(range(count)), tells)
        assert read(vendor, pool, ahead=ahead) == list(range(count))
        pages = max(-(-count // SIZE), 1)
        # who says nothing has to be asked for one more where the last page is full
        pages += tells == "nothing" and count > 0 and count % SIZE == 0
        assert sorted(vendor.asked) == list(range(1, pages + 1))

    @TELLS
    def test_a_page_that_is_there_is_not_fetched_again(self, pool: Executor, tells: str) -> None:
        vendor = Vendor(list(range(35)), tells)
        pages = walk(vendor.fetch, size=SIZE, pool=pool, ahead=4, first=vendor.fetch(1))
        assert [item["id"] for page in pages for item in page.items] == list(range(35))
        assert sorted(vendor.asked) == [1, 2, 3, 4]

    @TELLS
    def test_a_row_that_a_page_shows_twice(self, tells: str, pool: Executor) -> None:
        vendor = Vendor([0, 1, 1, *range(2, 10)], tells)
        assert read(vendor, pool) == list(range(10))
        assert sorted(vendor.asked) == [1, 2]

    def test_a_known_number_is_fetched_side_by_side(self, pool: Executor) -> None:
        together = threading.Barrier(3)

        def meet(number: int) -> None:
            if number > 1:
                together.wait(5)

        assert read(Vendor(list(range(35)), before=meet), pool) == list(range(35))

    def test_what_came_with_the_rows_is_handed_on(self, pool: Executor) -> None:
        pages = walk(Vendor(list(range(25))).fetch, size=SIZE, pool=pool, ahead=2)
        assert [page.document for page in pages] == [{"page": 1}, {"page": 2}, {"page": 3}]

    def test_no_more_means_no_more(self, pool: Executor) -> None:
        asked = []

        def fetch(number: int) -> Page:
            asked.append(number)
            return Page([{"id": n} for n in range(SIZE)], {}, more=False)

        assert sum(len(page.items) for page in walk(fetch, size=SIZE, pool=pool, ahead=2)) == SIZE
        assert asked == [1]

    def test_more_is_believed_where_a_page_is_not_full(self, pool: Executor) -> None:
        given = {1: Page([{"id": 1}], {}, more=True), 2: Page([{"id": 2}], {}, more=True), 3: Page([], {}, more=False)}
        pages = walk(given.__getitem__, size=SIZE, pool=pool, ahead=2)
        assert [item["id"] for page in pages for item in page.items] == [1, 2]

    @TELLS
    def test_a_page_that_cannot_be_had_ends_the_walk(self, tells: str, pool: Executor) -> None:
        def fail(number: int) -> None:
            if number == 3:
                raise TransientError("page 3 is away")

        with pytest.raises(TransientError, match="page 3 is away"):
            read(Vendor(list(range(55)), tells, fail), pool)

    def test_rows_may_be_told_apart_by_something_else(self, pool: Executor) -> None:
        vendor = Vendor(list(range(15)))
        pages = walk(
            lambda number: Page([{"key": item["id"]} for item in vendor.fetch(number).items], {}, last=2),
            size=SIZE,
            pool=pool,
            ahead=2,
            identify=lambda item: item["key"],
        )
        assert sum(len(page.items) for page in pages) == 15


class TestCeiling:
    @TELLS
    @pytest.mark.parametrize("count", [31, 40, 41, 75])
    def test_nothing_past_it_is_asked_for(self, tells: str, count: int, pool: Executor) -> None:
        vendor = Vendor(list(range(count)), tells)
        with pytest.raises(CeilingError):
            read(vendor, pool, ceiling=3)
        assert max(vendor.asked) <= 3

    def test_a_known_number_costs_one_request(self, pool: Executor) -> None:
        vendor = Vendor(list(range(95)))
        with pytest.raises(CeilingError) as raised:
            read(vendor, pool, ceiling=3)
        assert vendor.asked == [1]
        assert raised.value.pages == 10

    @TELLS
    def test_a_full_last_page_may_hide_more(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(30)), tells)
        with pytest.raises(CeilingError):
            read(vendor, pool, ceiling=3)
        assert max(vendor.asked) == 3
        if tells == "last":
            assert sorted(vendor.asked) == [1, 3]

    @TELLS
    def test_a_last_page_that_is_not_full_hides_nothing(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(29)), tells)
        assert read(vendor, pool, ceiling=3) == list(range(29))
        assert sorted(vendor.asked) == [1, 2, 3]

    @TELLS
    @pytest.mark.parametrize(("count", "whole"), [(9, True), (10, False), (11, False)])
    def test_of_one_page(self, tells: str, count: int, whole: bool, pool: Executor) -> None:
        vendor = Vendor(list(range(count)), tells)
        if whole:
            assert read(vendor, pool, ceiling=1) == list(range(count))
        else:
            with pytest.raises(CeilingError):
                read(vendor, pool, ceiling=1)
        assert vendor.asked == [1]


class TestMovement:
    @TELLS
    def test_a_page_that_repeats(self, tells: str, pool: Executor) -> None:
        vendor = Vendor([*range(20), *range(10, 20), *range(20, 25)], tells)
        with pytest.raises(AnswerError, match=r"repeats|twice"):
            read(vendor, pool)

    @TELLS
    def test_every_page_is_the_first_one(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(40)), tells)

        def fetch(number: int) -> Page:
            assert len(vendor.asked) < 20, "nobody noticed"
            first, asked = vendor.fetch(1), vendor.fetch(number)
            return Page(first.items, {}, last=asked.last, more=asked.more)

        with pytest.raises(AnswerError, match=r"repeats|twice"):
            list(walk(fetch, size=SIZE, pool=pool, ahead=2))

    def test_empty_pages_without_end(self, pool: Executor) -> None:
        pages = walk(lambda _: Page([], {}, more=True), size=SIZE, pool=pool, ahead=2)
        with pytest.raises(AnswerError, match="page 2 is empty and names another one"):
            list(islice(pages, 20))

    def test_rows_that_went_missing(self, pool: Executor) -> None:
        # only the number of pages tells it: without one a row may slip past unseen
        vendor = Vendor(list(range(31)))

        def before(number: int) -> None:
            # a row of the first page goes: the others move up, one of them onto a page that has been read
            if number == 2 and vendor.rows[0] == 0:
                del vendor.rows[0]

        vendor.before = before
        with pytest.raises(AnswerError, match="rows moved while they were read"):
            read(vendor, pool, ahead=1)

    @TELLS
    def test_a_row_that_comes_in_at_the_front(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(35)), tells)

        def before(number: int) -> None:
            if number == 2 and vendor.rows[0] == 0:
                vendor.rows.insert(0, -1)

        vendor.before = before
        assert sorted(read(vendor, pool, ahead=1)) == list(range(-1, 35))

    def test_a_row_that_comes_in_does_not_stand_for_one_that_is_missing(self, pool: Executor) -> None:
        vendor = Vendor(list(range(11)))

        def before(number: int) -> None:
            if number == 2:
                vendor.rows.insert(0, -1)
                vendor.rows.remove(10)

        vendor.before = before
        with pytest.raises(AnswerError, match="10 rows on 2 pages: rows moved while they were read"):
            read(vendor, pool, ahead=1)

    def test_side_by_side_a_row_at_the_front_may_hide_another(self, pool: Executor) -> None:
        vendor = Vendor(list(range(35)))

        def before(number: int) -> None:
            if number == 2 and vendor.rows[0] == 0:
                vendor.rows.insert(0, -1)

        vendor.before = before
        with pytest.raises(AnswerError, match="rows moved while they were read"):
            read(vendor, pool, ahead=4)

    @TELLS
    def test_a_row_that_changed_its_place(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(35)), tells)

        def before(number: int) -> None:
            # seen on the second page, seen again on the last: what stood between has moved up, past the reader
            if number == 3 and 15 in vendor.rows[:20]:
                vendor.rows.remove(15)
                vendor.rows.append(15)

        vendor.before = before
        with pytest.raises(AnswerError, match="rows moved while they were read"):
            read(vendor, pool, ahead=1)


class TestCount:
    """The rows that come are held against those that the vendor counts."""

    @TELLS
    @pytest.mark.parametrize("count", [0, 9, 10, 35])
    def test_one_that_is_right(self, tells: str, count: int, pool: Executor) -> None:
        assert read(Vendor(list(range(count)), tells, over=0), pool) == list(range(count))

    @TELLS
    @pytest.mark.parametrize("over", [-1, 1, 7])
    def test_one_that_lies(self, tells: str, over: int, pool: Executor) -> None:
        with pytest.raises(CountError, match=f"the vendor counts {35 + over} rows and shows 35"):
            read(Vendor(list(range(35)), tells, over=over), pool)

    @TELLS
    def test_one_that_lasts_is_past_what_the_vendor_shows(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(15)), tells, over=1)
        with pytest.raises(CeilingError, match="the vendor counts 16 rows and shows 15"):
            settled(lambda ahead: read(vendor, pool, ahead=ahead), 4)
        assert vendor.asked.count(2) == WALKS

    @TELLS
    def test_a_row_passed_over(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(35)), tells, over=0)

        def before(number: int) -> None:
            # one goes from a page that has been read, and another one comes at the end
            if number == 2 and vendor.rows[0] == 0:
                del vendor.rows[0]

        vendor.before = before
        with pytest.raises(AnswerError, match="first 35 rows, then 34: rows moved while they were read"):
            read(vendor, pool, ahead=1)
        assert settled(lambda ahead: read(vendor, pool, ahead=ahead), 4) == list(range(1, 35))

    @TELLS
    def test_a_row_that_comes_in_at_the_front(self, tells: str, pool: Executor) -> None:
        vendor = Vendor(list(range(35)), tells, over=0)

        def before(number: int) -> None:
            if number == 2 and vendor.rows[0] == 0:
                vendor.rows.insert(0, -1)

        vendor.before = before
        assert sorted(read(vendor, pool, ahead=1)) == list(range(-1, 35))


@pytest.mark.parametrize(
    ("status", "full", "named", "is_end"),
    [
        (404, 1, False, True),
        (416, 1, False, True),
        (400, 2, False, True),
        (422, 2, False, True),
        # the second page was asked for wrongly, perhaps
        (400, 1, False, False),
        (422, 1, False, False),
        (403, 2, False, False),
        # it had been named
        (404, 2, True, False),
    ],
)
def test_a_page_that_nobody_has_named_may_be_refused(status: int, full: int, named: bool, is_end: bool) -> None:
    def fetch(number: int) -> Page:
        if number <= full:
            return Page([{"id": 10 * number + n} for n in range(10)], {}, more=named or None)
        raise RequestError("no such page", status=status)

    with ThreadPoolExecutor(2) as pool:
        pages = walk(fetch, size=10, pool=pool, ahead=2)
        if is_end:
            assert [len(page.items) for page in pages] == [10] * full
        else:
            with pytest.raises(RequestError):
                list(pages)


def test_small_pages_are_read_to_the_vendors_count() -> None:
    def fetch(number: int) -> Page:
        rows = range(25)[4 * (number - 1) : 4 * number]
        return Page([{"id": n} for n in rows], {}, total=25)

    with ThreadPoolExecutor(2) as pool:
        assert sum(len(page.items) for page in walk(fetch, size=10, pool=pool, ahead=2)) == 25


@pytest.mark.parametrize("total", [9, 10])
def test_a_row_that_one_page_shows_twice_may_be_counted_twice(total: int) -> None:
    page = Page([{"id": n} for n in [*range(9), 8]], {}, more=False, total=total)
    with ThreadPoolExecutor(2) as pool:
        assert [len(each.items) for each in walk(lambda _: page, size=10, pool=pool, ahead=2)] == [9]


class TestSettled:
    @pytest.mark.parametrize("failures", [0, 1, 2])
    def test_a_window_is_read_again(self, failures: int) -> None:
        left = [MovedError("rows moved")] * failures

        def once(_: int) -> str:
            if left:
                raise left.pop()
            return "whole"

        assert settled(once, 4) == "whole"

    def test_three_times_at_most(self) -> None:
        reads = []

        def once(_: int) -> None:
            reads.append(1)
            raise MovedError(f"rows moved in read {len(reads)}")

        with pytest.raises(MovedError, match="rows moved in read 3"):
            settled(once, 4)
        assert len(reads) == WALKS == 3

    @pytest.mark.parametrize("error", [TransientError("away"), AnswerError("cannot be read")])
    def test_other_errors_are_final(self, error: TransientError) -> None:
        reads = []

        def once(_: int) -> None:
            reads.append(1)
            raise error

        with pytest.raises(TransientError, match=error.message):
            settled(once, 4)
        assert len(reads) == 1


class TestSideBySide:
    @pytest.mark.parametrize("ahead", [1, 3, 8])
    def test_the_order_of_the_work_is_kept(self, ahead: int, pool: Executor) -> None:
        done = [(n, future.result()) for n, future in side_by_side(pool, range(20), lambda n: n * n, ahead)]
        assert done == [(n, n * n) for n in range(20)]

    @pytest.mark.parametrize("ahead", [1, 3, 8])
    def test_no_more_than_ahead_is_begun(self, ahead: int, pool: Executor) -> None:
        begun: list[int] = []

        def work() -> Iterator[int]:
            for n in range(20):
                begun.append(n)
                yield n

        most = 0
        for consumed, _ in enumerate(side_by_side(pool, work(), lambda n: n, ahead)):
            most = max(most, len(begun) - consumed)
        assert most == ahead

    def test_what_is_not_wanted_any_more_is_not_done(self) -> None:
        release, done = threading.Event(), list[int]()

        def do(n: int) -> None:
            release.wait(5)
            done.append(n)

        with ThreadPoolExecutor(1) as single:
            work: Any = side_by_side(single, range(6), do, 6)
            next(work)
            work.close()
            release.set()
        assert done == [0]

    def test_an_error_is_the_futures(self, pool: Executor) -> None:
        def do(n: int) -> int:
            return 1 // n

        futures = [future for _, future in side_by_side(pool, range(3), do, 2)]
        assert isinstance(futures[0].exception(), ZeroDivisionError)
        assert futures[2].result() == 0
