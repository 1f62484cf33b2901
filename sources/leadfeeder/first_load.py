"""What a first load of the `/v1` API will take, without what costs credits."""

from collections.abc import Callable
from typing import TypeVar

from ..errors import NotEntitledError
from ..first_load import WEEK, FirstLoad, Load, of_accounts
from ..meter import Meter
from ..runs import Run
from ..streams import Account
from ..windows import Days
from . import api
from .api import PAGE_SIZE, Api, Json
from .reader import SCOPES
from .source import Settings

T = TypeVar("T")
Other = TypeVar("Other")


def load_of_account(
    visits_per_day: float, companies_per_day: float, feeds: int, lists: int, *, capped: bool = False
) -> Load:
    """What an account of so many visits, and companies that are new in a week, a day takes."""
    # the account's details, feeds, tags and lists; of each month its usage, its companies and those of its feeds,
    # which are taken to hold half of them each
    return Load(
        once=3 + len(SCOPES) + lists,
        per_day=(visits_per_day + companies_per_day * (1 + feeds / 2)) / PAGE_SIZE,
        per_month=2 + feeds,
        capped=capped,
    )


def first_load(found: Settings, run: Run) -> FirstLoad:
    """An estimate, from the vendor's counts of visits and companies, and the lists of feeds and lists."""
    client = Api(run.session, lambda _: None)

    def load_of(account: Account, week: Days) -> Load:
        meter, params = Meter(), {"account_id": account.id}
        visits = _bought(lambda: client.visits_of(account, week, meter), 0)
        companies = _bought(lambda: client.companies_of(account, week, meter), 0)
        feeds: list[Json] = _bought(lambda: client.listed(api.CUSTOM_FEEDS, meter, params, by=None), [])
        lists: list[Json] = _bought(lambda: client.listed(api.LISTS, meter, params), [])
        capped = visits is None or companies is None
        return load_of_account((visits or 0) / WEEK, (companies or 0) / WEEK, len(feeds), len(lists), capped=capped)

    load, what = of_accounts(run, load_of)
    return FirstLoad(load + Load(once=1), found.requests_per_second, f"visits, companies, feeds and lists: {what}")


def _bought(ask: Callable[[], T], otherwise: Other) -> T | Other:
    """What the vendor answers, unless the account has not bought it."""
    try:
        return ask()
    except NotEntitledError:
        return otherwise
