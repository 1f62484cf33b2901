"""Records what the `/v1` API answers to each call of the client; tests/recorder.py says what a cassette may hold.

With SOURCES__LEADFEEDER__API_KEY set and SOURCES__LEADFEEDER__BASE_URL unset it is the vendor that is recorded:
yesterday's visits of the first account. What would cost credits is the sandbox's either way.
"""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sandbox import Sandbox, World
from sources.budget import Budget
from sources.clock import Clock
from sources.errors import SourceError
from sources.leadfeeder import api
from sources.leadfeeder.api import Api
from sources.meter import Meter
from sources.session import Session
from sources.streams import Account
from sources.windows import Days
from tests.conftest import FakeClock
from tests.recorder import Scrubber, tape

CASSETTES = Path(__file__).parents[1] / "cassettes" / "leadfeeder"
SECRET, ADDRESS = "SOURCES__LEADFEEDER__API_KEY", "SOURCES__LEADFEEDER__BASE_URL"
WRONG_KEY = "a-key-that-opens-nothing"
MATCH = ("method", "scheme", "host", "port", "path", "query", "body")
KEPT_TEXTS = set(
    "id type scope started_at country country_code region city state_code source medium device_type period method "
    "endpoint next_reset_on request_id next_cursor code title detail created_at updated_at role status".split()
)


Ask = Callable[[Api, Account, Days, Meter], object]


@dataclass(frozen=True)
class Call:
    """One cassette: what the client asks of an account and its days.

    What is troubled, costs credits or wants a crowded day is asked of the sandbox only.
    """

    ask: Ask
    trouble: Callable[[Sandbox], object] | None = None
    key: str | None = None
    costs: bool = False
    crowded: bool = False


def _first_list(client: Api, account: Account, meter: Meter) -> list[Any]:
    params = {"account_id": account.id, "filter[scope]": "company"}
    lists = client.listed(api.LISTS, meter, params)
    return client.listed(api.LIST_ITEMS.format(lists[0]["id"]), meter, {"account_id": account.id})


def _refused(client: Api, account: Account, days: Days, meter: Meter) -> None:
    with suppress(SourceError):
        client.listed(api.ACCOUNTS, meter, by=None)


def _listed(path: str, params: Mapping[str, str] = {}, *, by: api.Paging | None = "number") -> Ask:
    return lambda client, account, days, meter: client.listed(path, meter, {"account_id": account.id, **params}, by=by)


def _month(day: date) -> dict[str, str]:
    return {"start_period": f"{day:%Y-%m}", "end_period": f"{day:%Y-%m}"}


CALLS = {
    "accounts": Call(lambda client, account, days, meter: client.listed(api.ACCOUNTS, meter, by=None)),
    "account": Call(lambda client, account, days, meter: client.one(api.ACCOUNTS, meter, {"account_id": account.id})),
    "custom_feeds": Call(_listed(api.CUSTOM_FEEDS, {"include": "folder,connected_list"}, by=None)),
    "visits": Call(lambda client, account, days, meter: list(client.visits(account, days, meter, ahead=1))),
    "visits_on_two_pages": Call(
        lambda client, account, days, meter: list(client.visits(account, days, meter, ahead=1)), crowded=True
    ),
    "visits_of_a_country": Call(
        lambda client, account, days, meter: list(client.visits(account, days, meter, ahead=1, countries=("DE", "FI")))
    ),
    "visitor_companies": Call(
        lambda client, account, days, meter: list(
            client.visitor_companies(account, days, meter, ahead=1, include="company")
        )
    ),
    "feed_companies": Call(
        lambda client, account, days, meter: list(
            client.visitor_companies(account, days, meter, ahead=1, feed="all_leads")
        )
    ),
    "tags": Call(_listed(api.TAGS)),
    "lists": Call(_listed(api.LISTS, {"filter[scope]": "contact"})),
    "list_items": Call(lambda client, account, days, meter: _first_list(client, account, meter)),
    "usage": Call(
        lambda client, account, days, meter: client.listed(
            api.USAGE, meter, {"account_id": account.id, **_month(days.first)}, by=None
        )
    ),
    "company": Call(
        lambda client, account, days, meter: client.one("/companies/159000010", meter, {"account_id": account.id}),
        costs=True,
    ),
    "company_financials": Call(
        lambda client, account, days, meter: client.one(
            "/companies/159000010/financials", meter, {"account_id": account.id}
        ),
        costs=True,
    ),
    "contacts": Call(
        lambda client, account, days, meter: [
            client.one(f"/contacts/{each['id']}", meter, {"account_id": account.id})
            for each in client.search(
                "/contacts/search", {"company_ids": ["159000001"]}, meter, {"account_id": account.id}
            )
        ],
        costs=True,
    ),
    "unauthorized": Call(_refused, key=WRONG_KEY),
    "rate_limited": Call(
        lambda client, account, days, meter: client.listed(api.ACCOUNTS, meter, by=None),
        trouble=lambda sandbox: sandbox.faults.add("status", status=429, vendor="leadfeeder"),
    ),
    "offset_exceeded": Call(
        lambda client, account, days, meter: _ceiling(client, account, days, meter),
        trouble=lambda sandbox: setattr(sandbox.leadfeeder.options, "ceiling", 99),
    ),
    "insufficient_entitlements": Call(
        _refused,
        trouble=lambda sandbox: sandbox.leadfeeder.options.unentitled.append("/accounts"),
    ),
}


def _ceiling(client: Api, account: Account, days: Days, meter: Meter) -> None:
    with suppress(SourceError):
        list(client.visits(account, days, meter, ahead=1))


def open_api(key: str, clock: Clock, base_url: str = api.BASE_URL, workers: int = 1) -> tuple[Session, Api]:
    """The client itself; vcrpy lets requests slip by that begin while another one is being recorded."""
    session = Session(
        base_url=base_url,
        auth=api.auth(key),
        secrets=(key,),
        budget=Budget(*api.limits(api.REQUESTS_PER_SECOND), clock=clock),
        clock=clock,
        read_error=api.read_error,
        refusal=api.refusal,
        turn=api.TURN,
        workers=workers,
    )
    return session, Api(session, lambda credits_charged: None)


def kept(body: Any) -> bytes | None:
    """A request's body: it holds no key."""
    return body.encode() if isinstance(body, str) else body or None


def _record(
    call: Call, path: Path, key: str, clock: Clock, base_url: str, scrub: Callable[[Any], Any], where: tuple[str, Days]
) -> None:
    path.unlink(missing_ok=True)
    session, client = open_api(key, clock, base_url)
    with closing(session), tape(base_url, scrub, api.BASE_URL, kept).use_cassette(str(path)):
        call.ask(client, Account(where[0]), where[1], Meter())
    if key in path.read_text():
        path.unlink()
        raise RuntimeError(f"the answer to {path.stem} names the key: nothing is kept of it")


def record(folder: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write every cassette into a folder."""
    folder.mkdir(exist_ok=True)
    real = None if settings.get(ADDRESS) else settings.get(SECRET)
    if real:
        session, client = open_api(real, Clock())
        with closing(session):
            first = client.listed(api.ACCOUNTS, Meter(), by=None)[0]["id"]
    scrub = Scrubber(KEPT_TEXTS)
    for name, call in CALLS.items():
        path = folder / f"{name}.yaml"
        clock: Clock
        if real and not (call.trouble or call.costs or call.crowded):
            clock = Clock()
            yesterday = clock.now().date() - timedelta(days=1)
            where = (str(first), Days(yesterday, yesterday))
            _record(call, path, call.key or real, clock, api.BASE_URL, scrub, where)
            continue
        clock = FakeClock()
        today = clock.now().date()
        world = World(days=3, accounts=1, visits_per_day=6, today=today)
        if call.crowded:
            world.crowd_day("6001", today - timedelta(days=1), api.PAGE_SIZE + 1)
        with Sandbox(world, clock=clock.epoch) as sandbox:
            if call.trouble:
                call.trouble(sandbox)
            key = call.key or sandbox.leadfeeder.options.api_key
            where = ("6001", Days(today - timedelta(days=2), today - timedelta(days=1)))
            _record(call, path, key, clock, sandbox.base_urls["leadfeeder"], lambda document: document, where)
    return [folder / f"{name}.yaml" for name in CALLS]
