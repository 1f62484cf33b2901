"""Export requests as an async polled resource: submit → record → poll → download.

Leadfeeder API, "Exporting feeds": `POST /export-requests` (5 a minute, besides the 100 of everything), then
`GET /export-requests/<id>` until `processed`, then the `download_url`. A report has no limit of rows and takes as long
as it takes, so a request outlives the run that made it: it stands in the ledger before it is first polled, and whoever
runs next goes on with it.

One loop does one step at a time, whichever is due first. While other streams have something to read, the loop ends with
their piece, so that they are loaded; it goes on in the next one.
"""

import asyncio
import logging
import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeVar

from ..budget import Budget
from ..clock import Clock, StoppedError
from ..errors import AccessError, AnswerError, LimitError, NotEntitledError, RequestError, SourceError, TransientError
from ..lanes import Lane
from ..ledger import Ledger
from ..meter import Meter
from ..positions import Positions
from ..runs import Run
from ..session import NotNowError, Session, UnclearError
from ..streams import Account, Stream, position_of
from ..windows import Days, Unit, calendar
from . import tables
from .export_requests import PATH, ExportRequest, Place, Status, check, draft
from .report import Report

log = logging.getLogger(__name__)

T = TypeVar("T")

# requests that may be under way at once: more would spend the budget on polls
UNDER_WAY = 20
FIRST_WAIT, LONGEST_WAIT, GROWTH = 2.0, 60.0, 1.6
DOWNLOADS = 4
# feeds that every account has
BUILT_IN = frozenset({"all_leads", "new_leads", "recommended_leads", "followed_companies"})


@dataclass(frozen=True)
class Policy:
    """What may be set. `feeds` are the feeds to export, None for every one of the account."""

    feeds: tuple[str, ...] | None = None
    window: Unit = "month"
    attempts: int = 3
    max_age: timedelta = timedelta(hours=24)
    wait: bool = True
    max_wait: timedelta = timedelta(hours=1)


@dataclass
class _Job:
    """One window of one feed on its way; `crowded` is a day that the leads list does not show whole.

    A `resumed` one is an earlier run's: its days have gone on since, or are listed by now. `since` is the instant of
    the monotonic clock from which on this run has waited for the vendor.
    """

    lane: Lane
    account: Account
    feed: str
    window_start: date
    days: Days
    moves_position: bool = False
    crowded: bool = False
    resumed: bool = False
    request: ExportRequest | None = None
    attempts: int = 0
    since: float | None = None
    due: float = 0.0
    pause: float = FIRST_WAIT
    downloads: int = 0
    report: Report | None = None
    is_loaded: bool = False

    @property
    def place(self) -> Place:
        """What it asks for."""
        return self.account.id, self.feed, self.days.first, self.days.last

    @property
    def replaces(self) -> tuple[str, str, date, bool]:
        """Whose rows its report takes the place of."""
        return self.account.id, self.feed, self.window_start, self.crowded

    def __str__(self) -> str:
        return f"feed {self.feed}, {self.days}"

    @property
    def is_pending(self) -> bool:
        return self.request is not None and self.request.status == Status.PENDING


class Exports:
    """The export requests of one run, through as many pieces as it takes."""

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        feeds: Callable[[Account, Meter], list[dict[str, Any]]],
        budget: Budget,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._session = session
        self._ledger = ledger
        self._feeds = feeds
        self._budget = budget
        self._clock = clock
        self._policy = policy
        self._jobs: list[_Job] | None = None
        self._collected: list[_Job] = []
        self._in_order: defaultdict[tuple[str, str], deque[_Job]] = defaultdict(deque)
        self._tried: set[tuple[str, date]] = set()
        # what this run asks for anew
        self._renewed: set[tuple[str, str, date, bool]] = set()
        # the days of reports that are loaded, by account, feed and window
        self._reported: defaultdict[tuple[str, str, date], list[Days]] = defaultdict(list)

    @property
    def left(self) -> bool:
        """Whether something is still to be asked for or waited for."""
        return self._jobs is None or bool(self._jobs)

    async def reports(self, run: Run, stream: Stream, positions: Positions) -> AsyncIterator[Any]:
        """Yield finished reports as rows, oldest window first where several are ready; see the module's head."""
        if self._jobs is None:
            self._jobs = [job async for job in self._plan(run, stream, positions)]
        else:
            self._jobs += self._crowded(run, stream, positions)
        jobs = self._jobs
        while jobs and not run.spent:
            job = min(jobs[:UNDER_WAY], key=lambda each: each.due)
            if job.lane.stopped:
                jobs.remove(job)
                continue
            if why := self._obsolete(job, positions):
                if job.request is not None:
                    await self._finish(job.request, Status.GIVEN_UP, why)
                jobs.remove(job)
                continue
            if job.request is not None and any(job.replaces == other.replaces for other in self._collected):
                # two reports of one window would be mixed in one load: this one's turn is in the next piece
                break
            if job.crowded and job.resumed and not run.is_read("leads"):
                # the list may show the day by now
                job.due = self._clock.monotonic() + 1.0
            pause = job.due - self._clock.monotonic()
            if pause > 0:
                if run.others_finished(stream) and run.unloaded:
                    # what the others read is waiting to be loaded: that comes first
                    break
                # never less than a clock can tell apart, never so long that the others' end goes unnoticed
                await self._clock.asleep(min(max(pause, 0.001), 1.0))
                continue
            try:
                await self._step(job)
            except Exception as error:  # isolation: one window never stops the others
                if isinstance(error, StoppedError) or self._clock.stopped:
                    raise
                self._give_up(run, job, error)
                jobs.remove(job)
                continue
            if job.report is not None:
                jobs.remove(job)
                self._load(run, job, positions)
                for table, rows in job.report.blocks():
                    yield run.item(stream, table, rows)
                job.report = None
                self._collected.append(job)
            elif job.is_pending and not self._policy.wait:
                job.lane.pending += 1
                jobs.remove(job)
            elif self._is_over(job):
                self._give_up(run, job, _too_long(job, self._policy.max_wait))
                jobs.remove(job)
        run.lanes.close_all(stream, still_busy={id(job.lane) for job in jobs})

    def committed(self) -> None:
        """The rows of the last piece are in the warehouse: their requests are finished."""
        for job in self._collected:
            if job.request is not None:
                self._write(replace(job.request, finished_at=self._clock.now()))
        self._collected.clear()

    async def _plan(self, run: Run, stream: Stream, positions: Positions) -> AsyncIterator[_Job]:
        """The windows that are due: since each feed's own position, or touched by a backfill; and crowded days."""
        rows = await self._call(self._ledger.rows, tables.EXPORT_REQUESTS)
        requests = [ExportRequest(**row) for row in rows]
        waiting = {request.place: request for request in requests if request.finished_at is None}
        for request in requests:
            if request.finished_at is not None and request.status == Status.PROCESSED:
                window = calendar(request.days, self._policy.window)[0].first
                self._reported[request.account_id, request.custom_feed_id, window].append(request.days)
        async for account, lane, feeds in self._chosen(run, stream):
            for feed in feeds:
                for job in self._windows(run, lane, account, feed, positions):
                    job.request = waiting.pop(job.place, None)
                    job.attempts = job.request.attempts if job.request else 0
                    if job.moves_position:
                        self._in_order[account.id, feed].append(job)
                    self._renewed.add(job.replaces)
                    yield job
        if run.asked.days is None and self._policy.feeds != ():
            # asked for by an earlier run, for days that have gone on since: what is ready is still worth having
            for place, request in waiting.items():
                mine = run.account(request.account_id)
                if mine is None or place in self._crowded_places(run, positions):
                    continue
                lane = run.lanes.open(stream, mine)
                if resumed := self._resumed(run, lane, mine, request, positions):
                    yield resumed
                else:
                    why = "its days are not asked for any more"
                    lane.notes.append(f"export request {request.id} of {request.days} is given up: {why}")
                    await self._finish(request, Status.GIVEN_UP, why)
        for job in self._crowded(run, stream, positions):
            job.resumed = True
            job.request = waiting.get(job.place)
            job.attempts = job.request.attempts if job.request else 0
            yield job

    async def _chosen(self, run: Run, stream: Stream) -> AsyncIterator[tuple[Account, Lane, list[str]]]:
        """The feeds to export of each account: all that it has, or those that are set, as far as it has them."""
        chosen = self._policy.feeds
        if chosen == ():
            return
        # with one account, the vendor says best what it does not have
        must_list = chosen is None or (len(run.accounts) > 1 and not BUILT_IN.issuperset(chosen))
        listed: dict[str, list[str]] = {}
        for account in run.accounts if must_list else ():
            lane = run.lanes.open(stream, account)
            try:
                feeds = await self._call(self._feeds, account, lane.meter)
            except SourceError as error:
                if chosen is None:
                    run.lanes.fail(lane, error, None)
                continue
            listed[account.id] = [str(feed["id"]) for feed in feeds]
        somebodys = {feed for feeds in listed.values() for feed in feeds} - BUILT_IN
        for account in run.accounts:
            lane, mine = run.lanes.open(stream, account), listed.get(account.id)
            if chosen is None:
                yield account, lane, mine or []
            else:
                yield account, lane, [f for f in chosen if mine is None or f in mine or f not in somebodys]

    def _resumed(
        self, run: Run, lane: Lane, account: Account, request: ExportRequest, positions: Positions
    ) -> _Job | None:
        """An earlier run's request, unless it is of less than a window: of a day that was crowded then, say."""
        feed = request.custom_feed_id
        name = position_of(lane.stream, feed)
        loaded, begun = positions.loaded(account.id, name), positions.begun_windows(account.id, name)
        for window, days in run.due.windows_of(account, loaded, begun, [request.end_date]).items():
            if request.start_date <= days.first:
                return _Job(
                    lane, account, feed, window, request.days, resumed=True, request=request, attempts=request.attempts
                )
        return None

    def _obsolete(self, job: _Job, positions: Positions) -> str:
        """Why its report is not wanted any more: it would take the place of one that reaches further, say."""
        if job.crowded:
            is_listed = job.days.first in positions.incomplete(job.account.id, "leads")
            return "" if is_listed else "the leads list shows its day whole"
        if job.resumed and job.request is None and job.replaces in self._renewed:
            return "its window is asked for anew"
        known = self._reported[job.account.id, job.feed, job.window_start] if job.request else []
        is_superseded = any(days.first <= job.days.first and job.days.last < days.last for days in known)
        return "a later report of its window is loaded" if is_superseded else ""

    def _windows(self, run: Run, lane: Lane, account: Account, feed: str, positions: Positions) -> Iterator[_Job]:
        moves = run.asked.days is None
        name = position_of(lane.stream, feed)
        loaded, begun = positions.loaded(account.id, name), positions.begun_windows(account.id, name)
        lane.widen(run.due.days(account, loaded))
        for window, days in run.due.windows(account, loaded, begun).items():
            yield _Job(lane, account, feed, window, days, moves_position=moves)

    def _crowded(self, run: Run, stream: Stream, positions: Positions) -> list[_Job]:
        """Days with more leads than the list shows, unless they are under way, or have failed in this run already."""
        jobs = []
        for account in run.accounts:
            for day in positions.incomplete(account.id, "leads"):
                if (account.id, day) not in self._tried:
                    self._tried.add((account.id, day))
                    lane = run.lanes.open(stream, account)
                    jobs.append(_Job(lane, account, "all_leads", day, Days(day, day), crowded=True))
        return jobs

    def _crowded_places(self, run: Run, positions: Positions) -> set[Place]:
        return {
            (account.id, "all_leads", day, day)
            for account in run.accounts
            for day in positions.incomplete(account.id, "leads")
        }

    def _is_over(self, job: _Job) -> bool:
        """Whether this run has waited for the vendor as long as it may; the turn of a first request is not waiting."""
        return job.since is not None and self._clock.monotonic() - job.since >= self._policy.max_wait.total_seconds()

    async def _step(self, job: _Job) -> None:
        """The one step that is due: submit, or poll and, where the report is ready, download."""
        if job.request is None:
            await self._submit(job)
        else:
            # also where it was processed before: a look at the status gives a fresh URL
            await self._poll(job)

    async def _submit(self, job: _Job) -> None:
        if job.attempts >= self._policy.attempts:
            raise TransientError(f"{job}: requested {job.attempts} times without success", remedy="run again later")
        if pause := self._budget.take():
            job.due = self._clock.monotonic() + pause
            return
        if job.since is None:
            job.since = self._clock.monotonic()
        job.attempts += 1
        request = draft(job.place, job.attempts, self._clock.now())
        await self._record(request)
        try:
            document = await self._call(self._session.post, PATH, request.form, meter=job.lane.meter)
        except NotNowError as refused:
            await self._call(self._ledger.remove, tables.EXPORT_REQUESTS, asdict(request))
            job.attempts -= 1
            job.due = self._clock.monotonic() + refused.pause
            job.lane.meter.add(seconds_waited=refused.pause)
            return
        except UnclearError as error:
            await self._record(replace(request, error=error.message))
            self._later(job)
            log.warning("%s: %s; it may have been taken and is asked for again", job, error.message)
            return
        except (SourceError, StoppedError):
            # refused, or stopped before its turn came
            await self._call(self._ledger.remove, tables.EXPORT_REQUESTS, asdict(request))
            raise
        try:
            job.request = request.taken(document)
        except AnswerError as error:
            await self._record(replace(request, error=error.message))
            raise
        await self._call(self._ledger.put, tables.EXPORT_REQUESTS, asdict(job.request), asdict(request))
        job.pause = FIRST_WAIT
        self._later(job)

    async def _poll(self, job: _Job) -> None:
        assert job.request is not None
        if job.since is None:
            job.since = self._clock.monotonic()
        try:
            document = await self._call(self._session.get, job.request.path, meter=job.lane.meter, check=check)
        except (AccessError, RequestError) as error:
            await self._finish(job.request, Status.GIVEN_UP, error.message)
            raise
        job.request = job.request.answered(document)
        if job.request.status == Status.FAILED:
            await self._finish(job.request, Status.FAILED, "the vendor could not make the report")
            job.request = None
            self._later(job)
        elif job.request.status == Status.PROCESSED:
            await self._download(job, document["data"]["attributes"].get("download_url"))
        else:
            await self._expect(job, job.request)

    async def _expect(self, job: _Job, request: ExportRequest) -> None:
        """Look again later, unless the vendor has taken too long."""
        age = self._clock.now() - request.submitted_at
        if age > self._policy.max_age:
            await self._finish(request, Status.GIVEN_UP, f"given up after {age}")
            raise TransientError(
                f"{job}: export request {request.id} is older than export_max_age ({age})",
                remedy="the next run asks again; allow more with export_max_age",
            )
        self._later(job)

    async def _download(self, job: _Job, url: object) -> None:
        """Fetch the report; an expired URL is asked for afresh, an expired report is asked for again."""
        assert job.request is not None
        if not isinstance(url, str) or not url:
            raise AnswerError(f"{job}: export request {job.request.id} is processed and has no download_url")
        job.downloads += 1
        report = Report(job.account.id, job.feed, job.window_start, job.days, crowded=job.crowded)
        try:
            await self._call(self._session.download, url, report.file, meter=job.lane.meter)
            rows = await self._call(report.read)
        except (AccessError, RequestError) as error:
            report.discard()
            if job.downloads > 1:
                # a fresh URL was refused as well: the report is gone
                await self._finish(job.request, Status.GIVEN_UP, error.message)
                job.request, job.downloads = None, 0
            job.due = self._clock.monotonic()
            return
        except LimitError:
            report.discard()
            raise
        except TransientError as error:
            report.discard()
            if job.downloads >= DOWNLOADS:
                raise TransientError(f"{job}: {error.message}", remedy=error.remedy) from None
            log.info("%s: %s; fetching it again", job, error)
            await self._record(job.request)
            self._later(job)
            return
        except BaseException:
            report.discard()
            raise
        job.request = replace(job.request, row_count=rows)
        job.report = report

    def _load(self, run: Run, job: _Job, positions: Positions) -> None:
        job.lane.rows += (job.request.row_count or 0) if job.request else 0
        if job.crowded:
            positions.mark_complete(job.account.id, "leads", job.days)
            run.lanes.read_otherwise(job.account.id, "leads", job.days.first, "by an export request")
            return
        self._reported[job.account.id, job.feed, job.window_start].append(job.days)
        name = position_of(job.lane.stream, job.feed)
        if not job.moves_position:
            positions.begin_window(job.account.id, name, job.window_start, job.days.first)
        else:
            # reports come in any order, but a position never moves past a window that has not come
            job.is_loaded = True
            windows = self._in_order[job.account.id, job.feed]
            while windows and windows[0].is_loaded:
                positions.advance(job.account.id, name, windows.popleft().days)

    def _give_up(self, run: Run, job: _Job, error: Exception) -> None:
        """One window's error is not its neighbours', unless nothing of the account can be had."""
        is_renewed = job.resumed and job.replaces in self._renewed and self._policy.wait
        if is_renewed and isinstance(error, SourceError):
            # nothing is missing: its window is asked for anew, and that report is waited for
            job.lane.notes.append(f"an earlier request is not waited for any longer: {error}")
            return
        if isinstance(error, SourceError) and f"feed {job.feed}" not in error.message:
            error.message = f"feed {job.feed}: {error.message}"
        if isinstance(error, AccessError) and error.status in (403, 404):
            error.remedy = "check export_feeds, and what this key may see"
        hopeless = isinstance(error, NotEntitledError) or (isinstance(error, AccessError) and error.status == 401)
        run.lanes.fail(job.lane, error, job.days, stop=hopeless)

    def _later(self, job: _Job) -> None:
        """Due again after a wait that grows, with jitter."""
        job.due = self._clock.monotonic() + job.pause * random.uniform(0.8, 1.2)  # noqa: S311 — spreads polls
        job.pause = min(job.pause * GROWTH, LONGEST_WAIT)

    async def _finish(self, request: ExportRequest | None, status: Status, error: str) -> None:
        assert request is not None
        await self._record(replace(request, status=status, error=error, finished_at=self._clock.now()))

    async def _record(self, request: ExportRequest) -> None:
        await self._call(self._write, request)

    def _write(self, request: ExportRequest) -> None:
        self._ledger.put(tables.EXPORT_REQUESTS, asdict(request))

    async def _call(self, do: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run what blocks in a thread that no page is read in."""
        return await asyncio.get_running_loop().run_in_executor(self._session.aside, lambda: do(*arguments, **named))


def _too_long(job: _Job, max_wait: timedelta) -> TransientError:
    if job.is_pending:
        return TransientError(
            f"{job}: the export request is still pending after {max_wait}",
            remedy="the next run collects it; wait longer with --max-wait",
        )
    return TransientError(
        f"{job}: no report could be had within {max_wait}",
        remedy="run again later, or allow more with --max-wait",
    )
