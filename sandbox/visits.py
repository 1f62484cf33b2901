"""The visits of one account on one day, from (seed, account, day) alone: a longer story never changes an earlier day.

Weekdays are busier than weekends, office hours busier than nights. Three findings are there to be found:

- the *Partner newsletter*: 2 % of the visits on most days, a third of them on Tuesdays, and they read the
  most pages;
- lead number 7 of every account comes back to /pricing/ on most weekdays;
- every 28 days, on a Wednesday, a post is passed around on Hacker News and the site has three times its
  visits.
"""

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import Protocol
from zoneinfo import ZoneInfo

from .companies import Lead, uuid_of
from .words import CHANNELS, DEVICES, KEYWORDS, LAUNCH, NEWSLETTER, PAGE_WEIGHTS, PAGES, QUERY_TERMS, Channel

_WEEKDAYS = (1.3, 1.35, 1.3, 1.25, 1.05, 0.35, 0.4)
_HOURS = (1, 1, 1, 1, 1, 2, 3, 6, 12, 18, 20, 18, 13, 16, 19, 17, 13, 8, 5, 4, 4, 3, 2, 1)
_LENGTHS = (25, 19, 18, 16, 12, 10)
_HOUR_WEIGHTS = list(itertools.accumulate(_HOURS))
_LENGTH_WEIGHTS = list(itertools.accumulate(_LENGTHS))
_LENGTHS_RANGE = tuple(range(1, len(_LENGTHS) + 1))
_PAGE_WEIGHTS = list(itertools.accumulate(PAGE_WEIGHTS))
_PATHS = tuple(PAGES)
_CHANNEL_WEIGHTS = list(itertools.accumulate(channel.weight for channel in CHANNELS))
_TUESDAY_WEIGHTS = [*_CHANNEL_WEIGHTS[:-1], _CHANNEL_WEIGHTS[-1] + 41]
_DEVICES = tuple(device for device, _ in DEVICES)
_DEVICE_WEIGHTS = list(itertools.accumulate(weight for _, weight in DEVICES))

REGULAR = 7
LAUNCH_DAY = 17  # date.toordinal() % 28 of a Wednesday


@dataclass(slots=True)
class Visit:
    """One visit. `started` is UTC epoch seconds on a whole minute; `day` and `hour` are the account's clock."""

    id: str
    lead: Lead
    started: int
    day: str
    hour: int
    channel: Channel
    device: str
    client_id: int
    route: tuple[tuple[str, int], ...]
    keyword: str | None = None
    query_term: str | None = None
    ga_client_ids: tuple[str, ...] = ()
    adobe_cookies: tuple[dict[str, str], ...] = ()


class Site(Protocol):
    """What a day of visits needs to know of its account."""

    id: str
    zone: ZoneInfo
    visits_per_day: float
    pool: int

    def lead(self, number: int) -> Lead: ...


def day_of_visits(seed: int, site: Site, day: date) -> list[Visit]:
    """A day's visits, in the order they started."""
    rng = Random(f"{seed}:{site.id}:{day}")
    count = round(site.visits_per_day * _WEEKDAYS[day.weekday()] * rng.uniform(0.85, 1.15))
    hours = _hours(site.zone, day)
    weights = _TUESDAY_WEIGHTS if day.weekday() == 1 else _CHANNEL_WEIGHTS
    visits = []
    for _ in range(count):
        channel = rng.choices(CHANNELS, cum_weights=weights)[0]
        visits.append(_visit(rng, _passer_by(rng, site), hours, channel))
    if count and day.weekday() < 5:
        times = rng.choice((0, 1, 1, 2))
        visits += [_visit(rng, site.lead(REGULAR), hours, CHANNELS[1], "/pricing/") for _ in range(times)]
    if day.toordinal() % 28 == LAUNCH_DAY:
        visits += [_visit(rng, _passer_by(rng, site), hours, LAUNCH) for _ in range(2 * count)]
    visits.sort(key=_order)
    return visits


def more_visits(salt: str, site: Site, day: date, leads: list[Lead] | int) -> list[Visit]:
    """Visits that are not of the day's own course: one for each of these leads, or this many of anybody."""
    rng = Random(salt)
    hours = _hours(site.zone, day)
    chosen = [_passer_by(rng, site) for _ in range(leads)] if isinstance(leads, int) else leads
    return [_visit(rng, lead, hours, rng.choices(CHANNELS, cum_weights=_CHANNEL_WEIGHTS)[0]) for lead in chosen]


def _order(visit: Visit) -> tuple[int, str]:
    return visit.started, visit.id


def _hours(zone: ZoneInfo, day: date) -> list[tuple[int, int, str]]:
    """The day's 24 hours: epoch seconds, hour and date on the wall (an hour that DST skips moves on)."""
    hours = []
    for hour in range(24):
        started = datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)
        wall = started.astimezone(zone)
        hours.append((int(started.timestamp()), wall.hour, wall.date().isoformat()))
    return hours


def _passer_by(rng: Random, site: Site) -> Lead:
    # some companies come more often than others
    return site.lead(int(site.pool * rng.random() ** 1.6))


def _visit(
    rng: Random, lead: Lead, hours: list[tuple[int, int, str]], channel: Channel, landing: str | None = None
) -> Visit:
    start, hour, day = rng.choices(hours, cum_weights=_HOUR_WEIGHTS)[0]
    length = rng.choices(_LENGTHS_RANGE, cum_weights=_LENGTH_WEIGHTS)[0]
    if channel is NEWSLETTER:
        length = max(length, 4)
    paths = [landing or channel.landing]
    if length > 1:
        paths += rng.choices(_PATHS, cum_weights=_PAGE_WEIGHTS, k=length - 1)
    # the last page has no next one to measure its time by
    route = [(path, int(rng.random() ** 2 * 180) + 1) for path in paths]
    route[-1] = (paths[-1], 0)
    person = rng.randint(1, 4)
    visit = Visit(
        id=uuid_of(rng),
        lead=lead,
        started=start + 60 * rng.randrange(60),
        day=day,
        hour=hour,
        channel=channel,
        device=rng.choices(_DEVICES, cum_weights=_DEVICE_WEIGHTS)[0],
        client_id=lead.number * 10 + person,
        route=tuple(route),
    )
    if channel.source in ("Google", "Bing"):
        visit.keyword = rng.choice(KEYWORDS) if rng.random() < 0.4 else None
        if channel.medium == "cpc" and rng.random() < 0.6:
            visit.query_term = rng.choice(QUERY_TERMS)
    if rng.random() < 0.5:
        visit.ga_client_ids = (f"{1_000_000 + visit.client_id}.{rng.randrange(10**9)}",)
    if rng.random() < 0.08:
        cookie = {"MCMID": str(visit.client_id * 7919), "MCAAMB": f"RKh{visit.client_id}Vc5", "MCAAMLH": "6"}
        visit.adobe_cookies = (cookie,)
    return visit
