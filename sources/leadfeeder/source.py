"""The dlt source of the `/v1` API: its settings, its streams, and how a run is opened."""

from datetime import UTC, timedelta
from typing import Any

from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltSource

from ..budget import Budget
from ..clock import Clock
from ..errors import SettingError
from ..ledger import Ledger, MemoryLedger
from ..runs import Run
from ..session import Session
from ..settings import VendorSettings, listed, positive, resolve, scope, shared, span, turned_on
from ..streams import Asked, Stream
from . import api, records, tables
from .api import Api
from .reader import Reader
from .records import Records
from .visits import Visits

VENDOR = "leadfeeder"
# answers that may be waited for at once: the documented rate is kept up to answers of three seconds
WORKERS = 32


@configspec
class Settings(VendorSettings):
    """`sources.leadfeeder` in dlt's configuration."""

    api_key: TSecretStrValue | None = None
    base_url: str = api.BASE_URL
    requests_per_second: int = api.REQUESTS_PER_SECOND
    requests_per_month: int = api.REQUESTS_PER_MONTH
    visits_include: str | None = None
    companies_include: str = "company"
    credit_budget: int = 0
    company_max_age: str = "90d"
    companies: bool = False
    company_financials: bool = False
    contacts: bool = False
    enrich_ips: Any | None = None
    custom_feed_folders_path: str | None = None
    tracking_scripts_path: str | None = None
    custom_fields_path: str | None = None
    industries_path: str | None = None
    nace_codes_path: str | None = None


STREAMS = (
    Stream("accounts", (tables.ACCOUNTS,), by="vendor"),
    Stream("custom_feeds", (tables.CUSTOM_FEEDS,), by="account"),
    Stream("visits", (tables.VISITS, tables.VISIT_PAGES, tables.LOCATIONS), by="days"),
    Stream("visitor_companies", (tables.VISITOR_COMPANIES, tables.LOCATIONS), by="window"),
    Stream("feed_companies", (tables.FEED_COMPANIES, tables.LOCATIONS), by="window", parted=True),
    Stream("tags", (tables.TAGS,), by="account"),
    Stream("lists", (tables.LISTS,), by="account"),
    Stream("list_items", (tables.LIST_ITEMS,), by="account", parted=True),
    Stream("usage", (tables.USAGE,), by="window"),
    *records.STREAMS,
    Stream("custom_feed_folders", (tables.CUSTOM_FEED_FOLDERS,), by="account", optional="custom_feed_folders_path"),
    Stream("tracking_scripts", (tables.TRACKING_SCRIPTS,), by="account", optional="tracking_scripts_path"),
    Stream("custom_fields", (tables.CUSTOM_FIELDS,), by="account", optional="custom_fields_path"),
    Stream("industries", (tables.INDUSTRIES,), by="vendor", optional="industries_path"),
    Stream("nace_codes", (tables.NACE_CODES,), by="vendor", optional="nace_codes_path"),
)


def settings() -> Settings:
    """The vendor's settings; raises SettingError. Without an `api_key` the vendor is off."""
    return resolve(Settings, VENDOR)


def open_run(
    found: Settings,
    *,
    clock: Clock,
    ledger: Ledger,
    asked: Asked = Asked(),
    max_wait: timedelta = timedelta(hours=1),
    wait: bool = True,  # noqa: ARG001 — nothing is prepared by the vendor here
) -> Run:
    """A run over the `/v1` API; nothing is asked of the vendor yet. Raises SettingError.

    The ledger tells which companies are known already, and how many requests the month has seen.
    """
    if not found.api_key:
        raise SettingError(f"sources.{VENDOR}.api_key is not set", remedy="set it in .dlt/secrets.toml")
    per_second = int(positive(f"sources.{VENDOR}.requests_per_second", found.requests_per_second))
    per_month = int(positive(f"sources.{VENDOR}.requests_per_month", found.requests_per_month))
    chosen = scope(found, VENDOR, asked)
    streams = turned_on(found, VENDOR, STREAMS, asked)
    if found.credit_budget <= 0 and (paid := [each for each in streams if each in records.STREAMS]):
        raise SettingError(
            f"{', '.join(each.name for each in paid)} can cost credits, and sources.{VENDOR}.credit_budget is "
            f"{found.credit_budget}",
            remedy="set it to the credits that one run may spend",
        )

    def left_of_month() -> int:
        start = clock.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return per_month - ledger.requests_since(start)

    together = shared(found, VENDOR, found.api_key, clock)
    session = Session(
        base_url=found.base_url,
        auth=api.auth(found.api_key),
        secrets=(found.api_key,),
        budget=Budget(*api.limits(per_second), clock=clock, quota=left_of_month, shared=together),
        clock=clock,
        read_error=api.read_error,
        refusal=api.refusal,
        max_wait=max_wait,
        turn=api.TURN,
        timeout=found.request_timeout,
        workers=WORKERS,
    )
    credits_left = records.Credits(found.credit_budget)
    client = Api(session, credits_left.charge)
    reader = Reader(client, Visits(client, clock, found.visits_include or ""), chosen.asked.accounts, found)
    return Run(
        vendor=VENDOR,
        streams=streams,
        read=reader.read,
        accounts=lambda meter: api.parse_accounts(reader.listed(meter)),
        session=session,
        clock=clock,
        start=chosen.start,
        lookback=chosen.lookback,
        requests_per_second=per_second,
        asked=chosen.asked,
        parts=reader.parts,
        pii=chosen.pii,
        walks=Records(
            client,
            ledger,
            credits_left,
            clock,
            max_age=span(f"sources.{VENDOR}.company_max_age", found.company_max_age),
            ips=listed(found.enrich_ips) or (),
            visitors=reader.visitors,
        ),
    )


def leadfeeder(asked: Asked = Asked()) -> DltSource:
    """The whole vendor as one dlt source, for a pipeline of your own: incremental, set by dlt's configuration."""
    return open_run(settings(), asked=asked, clock=Clock(), ledger=MemoryLedger()).source(whole=True)
