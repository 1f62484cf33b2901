"""The dlt source of Leedo: its settings, its streams, and what they are read with."""

from dataclasses import replace
from datetime import timedelta

from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltSource

from ..budget import Budget
from ..clock import Clock
from ..errors import SettingError
from ..ledger import Ledger, PipelineLedger
from ..runs import PIECE, Run
from ..session import Session
from ..settings import VendorSettings, positive, resolve, scope, shared
from ..streams import Asked, Stream
from . import api, tables
from .api import Api
from .walks import Lists

VENDOR = "leedo"
# a small plan is used up in few requests: a load for every handful of them would take longer than they do
REQUESTS_PER_PIECE = 50
WORKERS = 8
# pages that are on their way when a budget ends are asked for again: a small one is spent on one after another
REQUESTS_PER_HOUR_AND_PAGE_AHEAD = 600


@configspec
class Settings(VendorSettings):
    """`sources.leedo` in dlt's configuration. Days and accounts have no meaning for this vendor."""

    api_token: TSecretStrValue | None = None
    base_url: str = api.BASE_URL
    requests_per_hour: int = api.REQUESTS_PER_HOUR
    details: bool = False
    incremental: bool = False
    per_page: int = api.PER_PAGE
    page_parameter: str = "page"
    per_page_parameter: str = "per_page"


def settings() -> Settings:
    """The vendor's settings; raises SettingError. Without an `api_token` the vendor is off."""
    return resolve(Settings, VENDOR)


def open_run(
    found: Settings,
    *,
    clock: Clock,
    ledger: Ledger,
    asked: Asked = Asked(),
    max_wait: timedelta = timedelta(hours=1),
    wait: bool = True,  # noqa: ARG001 — nothing is prepared
) -> Run:
    """A run over Leedo; nothing is asked of the vendor yet. Raises SettingError.

    The ledger tells what the warehouse knows: only what differs from it is written.
    """
    if not found.api_token:
        raise SettingError(f"sources.{VENDOR}.api_token is not set", remedy="set it in .dlt/secrets.toml")
    per_hour = int(positive(f"sources.{VENDOR}.requests_per_hour", found.requests_per_hour))
    per_page = int(positive(f"sources.{VENDOR}.per_page", found.per_page))
    chosen = scope(found, VENDOR, asked)
    together = shared(found, VENDOR, found.api_token, clock)
    session = Session(
        base_url=found.base_url,
        auth=api.auth(found.api_token),
        secrets=(found.api_token,),
        budget=Budget(api.limit(per_hour), clock=clock, patience=max_wait, shared=together),
        clock=clock,
        read_error=api.read_error,
        max_wait=max_wait,
        turn=api.HOUR,
        timeout=found.request_timeout,
        workers=WORKERS,
    )
    lists = Lists(
        Api(session, page=found.page_parameter, per_page=found.per_page_parameter, size=per_page),
        [stream for stream in STREAMS if asked.streams is None or stream.name in asked.streams],
        ledger,
        clock,
        chosen.pii,
        ahead=min(max(per_hour // REQUESTS_PER_HOUR_AND_PAGE_AHEAD, 1), WORKERS),
        details=found.details,
        incremental=found.incremental,
    )
    return Run(
        vendor=VENDOR,
        streams=STREAMS,
        read=lambda stream, of, meter: {},  # noqa: ARG005 — all streams are walked
        accounts=lists.first,
        session=session,
        clock=clock,
        start=chosen.start,
        lookback=chosen.lookback,
        requests_per_second=max(per_hour / 3600, REQUESTS_PER_PIECE / PIECE.total_seconds()),
        asked=replace(asked, accounts=None),
        pii=chosen.pii,
        walks=lists,
    )


def leedo(asked: Asked = Asked()) -> DltSource:
    """The whole vendor as one dlt source, for a pipeline of your own, set by dlt's configuration."""
    return open_run(settings(), asked=asked, clock=Clock(), ledger=PipelineLedger()).source(whole=True)


# the small lists come first: a long one takes what is left of the hour. Contacts come before the accounts that they
# refer to: an account that is made in between is seen
STREAMS = (
    Stream("campaigns", (tables.CAMPAIGNS, tables.UNFINISHED_WALKS), by="walk"),
    Stream("contacts", (tables.CONTACTS, tables.UNFINISHED_WALKS), by="walk"),
    Stream("accounts", (tables.ACCOUNTS, tables.UNFINISHED_WALKS), by="walk"),
    Stream("leads", (tables.LEADS, tables.LEAD_STATUS_HISTORY, tables.UNFINISHED_WALKS), by="walk"),
)
