"""How the visits of an account's days are asked for, although nobody says whose midnight bounds the vendor's days.

It is the account's or UTC's. Asked for every day that has a part in either, the vendor shows a day too many, which is a
quarter of a daily run. The visits themselves tell: one that lies on no day that was asked for, as UTC has it, was shown
because the account's days were meant.
"""

from collections.abc import Iterator
from datetime import timedelta

from ..clock import Clock
from ..meter import Meter
from ..objects import Json, value_at
from ..pages import Page, identity
from ..streams import Account
from ..windows import Days, beside, cover, parse_instant, today
from . import api
from .api import Api

# instants are rounded to it
MINUTE = timedelta(minutes=1)


class Visits:
    """The visits of an account's days, in as few pages as the vendor allows."""

    def __init__(self, client: Api, clock: Clock) -> None:
        self._api = client
        self._clock = clock
        # the accounts of which a day is more than a page: of others, a day too many costs nothing
        self._busy: set[str] = set()
        # the accounts whose own midnight is known to bound the vendor's days
        self._own: set[str] = set()

    def pages(self, account: Account, days: Days, meter: Meter, ahead: int) -> Iterator[Page]:
        """All visits of some of the account's days, each once, and some of the days beside them.

        Raises CeilingError, before they are read, where several days have more than 10,000.
        """

        def walk(asked: Days, first: Page | None = None) -> Iterator[Page]:
            # no ceiling is documented for visits, and a day cannot be cut any further: all its pages are read
            ceiling = min(len(days), len(asked)) > 1
            return self._api.pages(api.VISITS, account, asked, meter, ceiling=ceiling, ahead=ahead, first=first)

        wide = cover(days, account.zone)
        if account.zone is not None:
            # of a day that has not begun, there is nothing to ask
            wide = Days(wide.first, max(days.last, min(wide.last, today(self._clock.now(), None))))
        if account.zone is None or wide == days:
            yield from walk(wide)
            return
        if account.id not in self._busy:
            first = self._api.page(api.VISITS, account, wide, meter)
            if (first.last or 1) <= len(wide):
                yield from walk(wide, first)
                return
            self._busy.add(account.id)
        seen: set[str] = set()
        for page in walk(days):
            if account.id not in self._own and any(_shown_by_own_day(visit, account, days) for visit in page.items):
                self._own.add(account.id)
            seen.update(map(identity, page.items))
            yield page
        for more in () if account.id in self._own else beside(days, wide):
            for page in walk(more):
                yield Page([visit for visit in page.items if identity(visit) not in seen], page.document)


def _shown_by_own_day(visit: Json, account: Account, days: Days) -> bool:
    """Whether a visit that was shown for `days` lies on none of them in UTC, even if it was rounded to the next."""
    try:
        moment = parse_instant(str(value_at(visit, "attributes.started_at")))
    except ValueError:
        return False
    outside = all((moment + rounding).date() not in days for rounding in (-MINUTE, MINUTE))
    return outside and today(moment, account.zone) in days
