"""The story that all vendors tell: accounts, the companies that visit their sites, and what tests do to them.

Everything follows from the seed. Days are made when first asked for, each from (seed, account, day) alone,
so that a longer range or a later `today` adds days and never changes one. A visit exists from the minute it
started: what lies after `clock()` is not seen yet. The mutators at the end each change the world in one
line.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from . import companies
from .companies import Company, Lead, short_id
from .feeds import STANDARD, Criterion, Feed, criterion
from .visits import Visit, day_of_visits, more_visits
from .windows import Window

Day: TypeAlias = date | str
Kind: TypeAlias = Literal["accounts", "leads", "visits"]
DayZone: TypeAlias = Literal["account", "utc"]

# the vendor's names for some zones are not the zones' names
ODD_ZONES = {"America/New_york": "America/New_York"}
SITES = (
    ("Aurinko Analytics", "Europe/Helsinki"),
    ("Hudson Metrics", "America/New_york"),
    ("Deccan Insights", "Asia/Calcutta"),
    ("Greenwich Data", "UTC"),
)
KEPT_WINDOWS = 512


@dataclass
class Account:
    """A customer of the vendor with one tracked site. `timezone` is the vendor's name for `zone`."""

    id: str
    name: str
    timezone: str
    zone: ZoneInfo
    hostname: str
    visits_per_day: float
    pool: int
    seed: int
    # neighbours' visitors overlap: this is the number of the first company that may visit here
    first_lead: int = 0
    subscription: str = "premium"
    website_tracking_status: str = "ok"
    feeds: dict[str, Feed] = field(default_factory=lambda: {feed.id: feed for feed in STANDARD})
    days: dict[date, list[Visit]] = field(default_factory=dict)
    leads: dict[int, Lead] = field(default_factory=dict)
    extra: dict[str, dict[str, Any]] = field(default_factory=dict)
    companies: dict[int, Company] = field(default_factory=dict)
    # counts the changes that mutators made: whatever was computed before is out of date
    version: int = 0

    @property
    def script_hash(self) -> str:
        return short_id(f"script:{self.seed}:{self.id}", 16)

    def lead(self, number: int) -> Lead:
        number += self.first_lead
        if (known := self.leads.get(number)) is None:
            known = self.leads[number] = companies.lead(self.seed, self.id, number, self.companies)
        return known


class World:
    """Accounts 6001, 6002, … over `days` days up to `today` (default: as the clock goes on).

    `visits_per_day` is the mean of the first account; the second has half of it, the third a third, …
    `leads` is the number of companies that may visit it (default: 18 for every daily visit).
    """

    def __init__(
        self,
        seed: int = 1,
        today: Day | None = None,
        days: int = 28,
        accounts: int = 3,
        visits_per_day: float = 40,
        *,
        leads: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self._companies: dict[int, Company] = {}
        self._today = _day(today) if today is not None else None
        self.first_day = self.today - timedelta(days=days - 1)
        # each with the state of the world that it was made in
        self._windows: OrderedDict[tuple[object, ...], tuple[object, Window]] = OrderedDict()
        self._added = 0
        for place in range(accounts):
            name, timezone = SITES[place % len(SITES)]
            if place >= len(SITES):
                name = f"{name} {place // len(SITES) + 1}"
            pool = leads // (place + 1) if leads else None
            self.add_account(name, timezone, visits_per_day / (place + 1), leads=pool)

    @property
    def today(self) -> date:
        return self._today or datetime.fromtimestamp(self.clock(), UTC).date()

    def last_day(self, account: Account) -> date:
        """The account's own today: it can be a day off UTC's."""
        return self._today or datetime.fromtimestamp(self.clock(), account.zone).date()

    def account(self, account_id: str) -> Account:
        try:
            return self.accounts[account_id]
        except KeyError:
            raise ValueError(f"no such account: {account_id!r}; there are {', '.join(self.accounts)}") from None

    def company(self, number: int) -> Company:
        """A company of the story by its number: what a CRM or a grant of access can be told about."""
        if number not in self._companies:
            self._companies[number] = companies.company(self.seed, number)
        return self._companies[number]

    def visits(self, account_id: str, day: Day) -> list[Visit]:
        """The visits of one account on one of its days that have happened by now, newest first."""
        return self.window(account_id, day, day).visits

    def window(self, account_id: str, start: Day, end: Day, zone: DayZone = "account") -> Window:
        """Both days included; `zone` says whose midnight bounds them."""
        account, start, end = self.account(account_id), _day(start), _day(end)
        with self.lock:
            now = int(self.clock())
            # a day is over everywhere when it is over 12 hours west of UTC
            is_past = end.toordinal() + 1 < datetime.fromtimestamp(now, UTC).toordinal()
            stamp = (account.version, self._today, None if is_past else now // 60)
            key = (account_id, start, end, zone)
            made, window = self._windows.get(key, (None, None))
            if window is None or made != stamp:
                window = Window(self._visible(account, start, end, zone, now))
                self._windows[key] = (stamp, window)
                if len(self._windows) > KEPT_WINDOWS:
                    self._windows.popitem(last=False)
            self._windows.move_to_end(key)
            return window

    def history(self, account_id: str) -> Window:
        """All that an account has seen."""
        account = self.account(account_id)
        first = min([self.first_day, *account.days])
        return self.window(account_id, first, max([self.last_day(account), *account.days]))

    def _visible(self, account: Account, start: date, end: date, zone: DayZone, now: int) -> Iterable[Visit]:
        margin = 0 if zone == "account" else 1
        first = max(start, min([self.first_day, *account.days])).toordinal() - margin
        last = min(end, max([self.last_day(account), *account.days])).toordinal() + margin
        for number in range(first, last + 1):
            for visit in self._day(account, date.fromordinal(number)):
                if visit.started > now:
                    continue
                if zone == "utc" and not start <= datetime.fromtimestamp(visit.started, UTC).date() <= end:
                    continue
                yield visit

    def _day(self, account: Account, day: date) -> list[Visit]:
        if day in account.days:
            return account.days[day]
        if not self.first_day <= day <= self.last_day(account):
            return []
        visits = account.days[day] = day_of_visits(self.seed, account, day)
        return visits

    # what tests do to the world

    def advance(self, days: int = 1) -> None:
        """A fixed `today` moves on; a world without one follows its clock."""
        if self._today is None:
            raise ValueError("this world follows its clock: move the clock")
        self._today += timedelta(days=days)

    def add_account(
        self,
        name: str,
        timezone: str = "UTC",
        visits_per_day: float = 10,
        *,
        account_id: str | None = None,
        subscription: str = "premium",
        leads: int | None = None,
    ) -> str:
        account_id = account_id or str(6001 + len(self.accounts))
        self.accounts[account_id] = Account(
            id=account_id,
            name=name,
            timezone=timezone,
            zone=ZoneInfo(ODD_ZONES.get(timezone, timezone)),
            hostname=f"www.{name.lower().replace(' ', '-')}.example",
            visits_per_day=visits_per_day,
            pool=leads or max(60, round(18 * visits_per_day)),
            seed=self.seed,
            first_lead=20 * len(self.accounts),
            subscription=subscription,
            companies=self._companies,
        )
        return account_id

    def remove_account(self, account_id: str) -> None:
        del self.accounts[self.account(account_id).id]

    def add_visits(self, account_id: str, day: Day, n: int = 1, lead_id: str | None = None) -> list[str]:
        """Late visits, of anybody or of one lead; on the current day they have just happened. Returns their ids."""
        account, day = self.account(account_id), _day(day)
        leads: list[Lead] | int = n
        if lead_id is not None:
            leads = [self._lead(account, lead_id)] * n
        with self.lock:
            self._added += 1
            added = more_visits(f"{self.seed}:{account_id}:{day}:added:{self._added}", account, day, leads)
            now = int(self.clock()) // 60 * 60
            for visit in added:
                if visit.started > now and day <= datetime.fromtimestamp(now, account.zone).date():
                    visit.started, visit.hour = now, datetime.fromtimestamp(now, account.zone).hour
            self._change(account, day, [*self._day(account, day), *added])
        return [visit.id for visit in added]

    def remove_visits(self, account_id: str, day: Day, which: int | list[str] = 1) -> list[str]:
        """The day's last so many visits, or those with these ids, are gone. Returns their ids."""
        account, day = self.account(account_id), _day(day)
        with self.lock:
            visits = self._day(account, day)
            gone = {visit.id for visit in visits[-which:]} if isinstance(which, int) else set(which)
            if missing := gone - {visit.id for visit in visits}:
                raise ValueError(f"no such visits on {day}: {', '.join(sorted(missing))}")
            self._change(account, day, [visit for visit in visits if visit.id not in gone])
        return sorted(gone)

    def grow_visit(self, account_id: str, visit_id: str, path: str = "/pricing/", seconds: int = 30) -> None:
        """The visit gains a page, after so many seconds on the one that was its last."""
        account = self.account(account_id)
        with self.lock:
            visit = next((each for each in self.history(account_id).visits if each.id == visit_id), None)
            if visit is None:
                raise ValueError(f"no such visit: {visit_id!r}")
            visit.route = (*visit.route[:-1], (visit.route[-1][0], seconds), (path, 0))
            account.version += 1

    def move_visit(self, account_id: str, visit_id: str, day: Day) -> None:
        """The visit turns out to have been on another day, at the same time."""
        account, day = self.account(account_id), _day(day)
        with self.lock:
            visit = next((each for each in self.history(account_id).visits if each.id == visit_id), None)
            if visit is None:
                raise ValueError(f"no such visit: {visit_id!r}")
            before = date.fromisoformat(visit.day)
            self._change(account, before, [each for each in self._day(account, before) if each is not visit])
            visit.started, visit.day = visit.started + 86_400 * (day - before).days, day.isoformat()
            visit.hour = datetime.fromtimestamp(visit.started, account.zone).hour
            self._change(account, day, [*self._day(account, day), visit])

    def empty_day(self, account_id: str, day: Day) -> None:
        with self.lock:
            self._change(self.account(account_id), _day(day), [])

    def crowd_day(self, account_id: str, day: Day, n_leads: int) -> None:
        """The day becomes one with exactly this many leads, one visit each."""
        account, day = self.account(account_id), _day(day)
        with self.lock:
            leads = [account.lead(number) for number in range(n_leads)]
            self._change(account, day, more_visits(f"{self.seed}:{account_id}:{day}:crowd", account, day, leads))

    def retag(self, account_id: str, lead_id: str, tags: list[str]) -> None:
        account = self.account(account_id)
        with self.lock:
            lead = self._lead(account, lead_id)
            lead.tags, lead.sparse = list(tags), False
            account.version += 1

    def rename_company(self, number: int, name: str) -> None:
        """The company with this number is called otherwise, in every vendor's answers."""
        with self.lock:
            self._companies[number] = renamed = replace(self.company(number), name=name)
            for account in self.accounts.values():
                for lead in account.leads.values():
                    lead.company = renamed if lead.company.number == number else lead.company
                account.version += 1

    def add_feed(self, account_id: str, feed_id: str, name: str, **criteria: int | str) -> None:
        """For example `add_feed("6001", "77", "Germany", country_code="DE")`."""
        made: tuple[Criterion, ...] = tuple(criterion(kind, value) for kind, value in criteria.items())
        account = self.account(account_id)
        account.feeds[feed_id] = Feed(feed_id, name, made)
        account.version += 1

    def remove_feed(self, account_id: str, feed_id: str) -> None:
        account = self.account(account_id)
        del account.feeds[feed_id]
        account.version += 1

    def add_field(self, kind: Kind, name: str, value: Any, account_id: str | None = None) -> None:
        """An attribute that the document does not name appears, in one account or in all."""
        for account in [self.account(account_id)] if account_id else list(self.accounts.values()):
            account.extra.setdefault(kind, {})[name] = value
            account.version += 1

    def _lead(self, account: Account, lead_id: str) -> Lead:
        for lead in account.leads.values():
            if lead.id == lead_id:
                return lead
        if (figures := self.history(account.id).by_lead.get(lead_id)) is not None:
            return figures.lead
        raise ValueError(f"no such lead in account {account.id}: {lead_id!r}")

    def _change(self, account: Account, day: date, visits: list[Visit]) -> None:
        account.days[day] = visits
        account.version += 1


def _day(value: Day) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)
