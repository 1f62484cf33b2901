"""What a first load of the token API will take."""

from ..first_load import WEEK, FirstLoad, Load, of_accounts, pages
from ..meter import Meter
from ..objects import value_at
from ..runs import Run
from ..settings import listed
from ..streams import Account
from ..windows import Days
from . import api
from .api import CEILING_PAGES, PAGE_SIZE, Api
from .source import Settings

# an export request is submitted, asked after about twice, and downloaded
REQUESTS_PER_EXPORT = 4


def load_of_account(visits_per_day: float, feeds: int, *, capped: bool = False) -> Load:
    """What an account of so many visits a day takes; a day is taken to have as many leads as visits."""
    return Load(
        once=2,
        per_day=pages(visits_per_day, PAGE_SIZE) + visits_per_day / PAGE_SIZE,
        per_month=feeds * REQUESTS_PER_EXPORT,
        exports_per_month=feeds,
        capped=capped,
    )


def first_load(found: Settings, run: Run) -> FirstLoad:
    """An estimate, from a page of leads and the list of feeds of each account."""
    client = Api(run.session)
    chosen = listed(found.export_feeds)

    def load_of(account: Account, week: Days) -> Load:
        meter = Meter()
        page = client.page(api.LEADS, account, week, meter)
        last = page.last or 1
        leads = len(page.items) if last == 1 else last * PAGE_SIZE
        visits = sum(value_at(lead, "attributes.visits") or 1 for lead in page.items)
        per_day = leads * visits / max(len(page.items), 1) / WEEK
        feeds = [feed for feed in client.custom_feeds(account, meter) if chosen is None or str(feed["id"]) in chosen]
        return load_of_account(per_day, len(feeds), capped=last >= CEILING_PAGES)

    load, what = of_accounts(run, load_of)
    return FirstLoad(
        load + Load(once=1),
        found.requests_per_minute / 60,
        f"leads, their visits, and feeds: {what}",
        found.export_requests_per_minute / 60,
    )
