"""Visits of some UTC days, whole: past the vendor's ceiling a day is read country by country.

Which zone bounds the vendor's days is not published. So visits are asked for with a day around, as far as today, and
kept by the UTC day on which they began: a day is never replaced by a part of it. A visit in the first hour of the days
that were asked for shows that the vendor's days begin no later than UTC's, one in the last hour that they end no
earlier: then the day before, or after, is left out, until some zone's clock has been changed across UTC's.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import Clock
from ..errors import AnswerError, CeilingError
from ..meter import Meter
from ..pages import settled
from ..streams import Account, Batch
from ..tables import concat, within
from ..windows import ONE_DAY, Days, beside_utc, cover, parse_instant, today
from . import tables
from .api import Api, Json, ends

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
# pages that become columns at once: these cost by the table, not by the row
PAGES_TOGETHER = 10

# ISO 3166-1 alpha-2, and the code that many use for Kosovo
COUNTRIES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR "
    "GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO "
    "JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR "
    "MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO "
    "RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV "
    "TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
).split()


class Visits:
    """Reads the visits of an account; `include` is what the vendor is to bring along inline."""

    def __init__(self, client: Api, clock: Clock, include: str) -> None:
        self._api = client
        self._clock = clock
        self._include = include
        # by account, a midnight that is known not to cut a day of UTC's, as the first, or after the last
        self._begin: dict[str, date] = {}
        self._end: dict[str, date] = {}

    def read(self, account: Account, days: Days, meter: Meter) -> Batch:
        """All visits of some UTC days with their pages and places, or an error.

        Raises CeilingError where there are too many for the days to be read at once, or for a day that cannot be had.
        """
        asked = self._around(account, days)
        try:
            batch = self._ask(account, asked, meter)
        except CeilingError:
            if len(days) > 1:
                raise
            batch = _united([self._day(account, day, days, meter) for day in asked])
        for table in (tables.VISITS, tables.VISIT_PAGES):
            batch[table.name] = within(batch[table.name], "visit_date", days.first, days.last)
        return batch

    def _around(self, account: Account, days: Days) -> Days:
        wide = cover(days, None)
        last = max(days.last, min(wide.last, today(self._clock.now(), None)))
        begin, end = days.first, days.last + ONE_DAY
        return Days(
            days.first if _still_holds(self._begin.get(account.id), begin) else wide.first,
            days.last if _still_holds(self._end.get(account.id), end) else last,
        )

    def _learn(self, account: Account, asked: Days, started: pa.ChunkedArray) -> None:
        first = datetime.combine(asked.first, time.min, UTC)
        end = datetime.combine(asked.last + ONE_DAY, time.min, UTC)
        if _any_within(started, first, first + HOUR):
            self._begin[account.id] = asked.first
        if _any_within(started, end - HOUR, end):
            self._end[account.id] = asked.last + ONE_DAY

    def _day(self, account: Account, day: date, wanted: Days, meter: Meter) -> dict[str, pa.Table]:
        """One of the vendor's days; country by country where it is over the ceiling."""
        try:
            return self._ask(account, Days(day, day), meter)
        except CeilingError as error:
            over = error
        try:
            if not over.pages:
                # it counts others than it shows, and not for want of pages: countries would not help
                raise CeilingError(over.message, pages=0, day=day)
            batch = _united(self._by_country(account, day, meter, COUNTRIES))
            found, total = batch[tables.VISITS.name].num_rows, self._api.visits_of(account, Days(day, day), meter)
            if total is None or found < total:
                raise CeilingError(f"country by country, only {found} of {total} visits can be had", pages=0, day=day)
        except CeilingError as error:
            if day in wanted:
                raise
            # it has a turn of its own, in which it is listed as incomplete
            log.info("account %s: %s, beside %s, is left out: %s", account.id, day, wanted, error)
            return _rows(account, [])
        return batch

    def _by_country(
        self, account: Account, day: date, meter: Meter, countries: Sequence[str]
    ) -> list[dict[str, pa.Table]]:
        try:
            return [self._ask(account, Days(day, day), meter, countries)]
        except CeilingError as error:
            if len(countries) == 1:
                reason = f"the visits from {countries[0]} alone are too many ({error.message})"
                raise CeilingError(reason, pages=error.pages, day=day) from None
        half = len(countries) // 2
        halves = (countries[:half], countries[half:])
        return [part for some in halves for part in self._by_country(account, day, meter, some)]

    def _ask(self, account: Account, days: Days, meter: Meter, countries: Sequence[str] = ()) -> dict[str, pa.Table]:
        def read(ahead: int) -> dict[str, pa.Table]:
            pages = self._api.visits(account, days, meter, ahead=ahead, include=self._include, countries=countries)
            found = [_rows(account, [])]
            while block := list(islice(pages, PAGES_TOGETHER)):
                found.append(_rows(account, [visit for page in block for visit in page.items]))
            return _united(found)

        batch = settled(read, self._api.ahead)
        if not countries:
            self._learn(account, days, batch[tables.VISITS.name]["started_at"])
        return batch


def _rows(account: Account, visits: list[Json]) -> dict[str, pa.Table]:
    for visit in visits:
        attributes = visit.get("attributes") or {}
        started = attributes.get("started_at")
        try:
            visit["visit_date"] = parse_instant(str(started)).date()
        except ValueError:
            raise AnswerError(f"visit {visit.get('id')} started at {started!r}, which is no instant") from None
        engagements = attributes.get("engagements") or []
        if not isinstance(engagements, list) or not all(isinstance(each, dict) for each in engagements):
            raise AnswerError(f"visit {visit.get('id')} has engagements that are no list of objects")
        attributes["engagements"] = [flat(each) for each in engagements]
    return {
        tables.VISITS.name: tables.VISITS.rows(visits, account_id=account.id),
        tables.VISIT_PAGES.name: tables.VISIT_PAGES.rows(visits, account_id=account.id),
        tables.LOCATIONS.name: tables.LOCATIONS.rows(ends(visits, "location")),
    }


def flat(engagement: Json) -> Json:
    """The fields of its page beside its own; one of its own that has a page field's name is told apart."""
    page = engagement.get("page")
    page = page if isinstance(page, dict) else {}
    own = {name: value for name, value in engagement.items() if name != "page"}
    return {**page, **{f"engagement_{name}" if name in page else name: value for name, value in own.items()}}


def _still_holds(known: date | None, midnight: date) -> bool:
    """Whether what a midnight has shown of the vendor's zone is true of another one, whatever zone it is."""
    return known is not None and beside_utc(known) == beside_utc(midnight)


def _any_within(instants: pa.ChunkedArray, first: datetime, end: datetime) -> bool:
    low, high = (pa.scalar(instant, pa.timestamp("us", "UTC")) for instant in (first, end))
    return bool(pc.any(pc.and_(pc.greater_equal(instants, low), pc.less(instants, high))).as_py())


def _united(batches: Sequence[dict[str, pa.Table]]) -> dict[str, pa.Table]:
    return {name: concat([batch[name] for batch in batches]) for name in batches[0]}
