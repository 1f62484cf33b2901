"""The dlt source of the token API: its settings, its streams, and what reading one of them means."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltSource

from ..budget import Budget
from ..clock import Clock
from ..errors import SettingError
from ..ledger import Ledger, MemoryLedger
from ..meter import Meter
from ..pages import settled
from ..runs import Run
from ..session import Session
from ..settings import VendorSettings, listed, positive, resolve, scope, shared, span
from ..streams import Account, Asked, Batch, Slice, Stream
from ..tables import within
from ..windows import Days, Unit
from . import api, export_requests, exports, tables
from .api import Api
from .rows import rows_of, rows_of_pages
from .visits import Visits

VENDOR = "leadfeeder_legacy"
# answers that may be waited for at once: the documented rate is kept up to answers of ten seconds
WORKERS = 16


@configspec
class Settings(VendorSettings):
    """`sources.leadfeeder_legacy` in dlt's configuration."""

    api_token: TSecretStrValue | None = None
    base_url: str = api.BASE_URL
    requests_per_minute: int = api.REQUESTS_PER_MINUTE
    export_feeds: Any | None = None
    export_window: str = "month"
    export_requests_per_minute: int = export_requests.REQUESTS_PER_MINUTE
    export_attempts: int = 3
    export_max_age: str = "24h"


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
    wait: bool = True,
) -> Run:
    """A run over the token API; nothing is asked of the vendor yet. Raises SettingError.

    The ledger keeps the export requests. Without `wait`, those that are not ready are left to the next run.
    """
    if not found.api_token:
        raise SettingError(f"sources.{VENDOR}.api_token is not set", remedy="set it in .dlt/secrets.toml")
    per_minute = int(positive(f"sources.{VENDOR}.requests_per_minute", found.requests_per_minute))
    exports_per_minute = int(positive(f"sources.{VENDOR}.export_requests_per_minute", found.export_requests_per_minute))
    chosen = scope(found, VENDOR, asked)
    policy = _policy(found, wait, max_wait)
    asked = chosen.asked
    if asked.streams is not None and "leads" in asked.streams and "feed_leads" not in asked.streams:
        # a day that the leads list does not show whole takes an export request, though no feed was asked for
        asked = replace(asked, streams=asked.streams | {"feed_leads"})
        policy = replace(policy, feeds=())
    together = shared(found, VENDOR, found.api_token, clock)
    session = Session(
        base_url=found.base_url,
        auth=api.auth(found.api_token),
        secrets=(found.api_token,),
        budget=Budget(api.limit(per_minute), clock=clock, shared=together),
        clock=clock,
        read_error=api.read_error,
        max_wait=max_wait,
        timeout=found.request_timeout,
        workers=WORKERS,
    )
    client = Api(session)
    reader = Reader(client, Visits(client, clock), asked.accounts)
    return Run(
        vendor=VENDOR,
        streams=STREAMS,
        read=reader.read,
        accounts=lambda meter: api.parse_accounts(reader.listed(meter)),
        session=session,
        clock=clock,
        start=chosen.start,
        lookback=chosen.lookback,
        requests_per_second=per_minute / 60,
        asked=asked,
        unit=policy.window,
        pii=chosen.pii,
        reports=exports.Exports(
            session,
            ledger,
            reader.feeds,
            Budget(api.limit(exports_per_minute), clock=clock, shared=together, kind="exports"),
            clock,
            policy,
        ),
    )


def _policy(found: Settings, wait: bool, max_wait: timedelta) -> exports.Policy:
    window = found.export_window
    if window not in ("month", "week", "day"):
        raise SettingError(f"sources.{VENDOR}.export_window is {window!r}", remedy="choose month, week or day")
    return exports.Policy(
        feeds=listed(found.export_feeds),
        window=cast(Unit, window),
        attempts=int(positive(f"sources.{VENDOR}.export_attempts", found.export_attempts)),
        max_age=span(f"sources.{VENDOR}.export_max_age", found.export_max_age),
        wait=wait,
        max_wait=max_wait,
    )


def leadfeeder_legacy(asked: Asked = Asked()) -> DltSource:
    """The whole vendor as one dlt source, for a pipeline of your own: incremental, set by dlt's configuration."""
    return open_run(settings(), asked=asked, clock=Clock(), ledger=MemoryLedger()).source(whole=True)


STREAMS = (
    Stream("accounts", (tables.ACCOUNTS,), by="vendor"),
    Stream("tracking_scripts", (tables.TRACKING_SCRIPTS,), by="account"),
    Stream("custom_feeds", (tables.CUSTOM_FEEDS, tables.CUSTOM_FEED_CRITERIA), by="account"),
    Stream(
        "leads",
        (tables.LEAD_DAYS, tables.LEADS, tables.LEAD_TAGS, tables.LEAD_INDUSTRIES, tables.LOCATIONS),
        by="day",
    ),
    Stream("visits", (tables.VISITS, tables.VISIT_PAGES, tables.LOCATIONS), by="days"),
    Stream(
        "feed_leads",
        (tables.FEED_LEADS, tables.FEED_LEAD_KEYWORDS, tables.REPORT_LEADS, tables.LEADS, tables.LOCATIONS),
        by="report",
        parts="export_feeds",
        ledger=tables.EXPORT_REQUESTS,
    ),
)


class Reader:
    """Reads one stream, for one account and its days, into the stream's tables."""

    def __init__(self, client: Api, visits: Visits, only: frozenset[str] | None) -> None:
        self._api = client
        self._pages_of_visits = visits.pages
        self._only = only
        self._accounts: list[dict[str, Any]] | None = None
        self._feeds: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def read(self, stream: Stream, of: Slice, meter: Meter) -> Batch:
        """All rows of the slice, or an error: never a part of them."""
        account, days = of.account, of.days
        if account is None:
            mine = [a for a in self.listed(meter) if self._only is None or str(a["id"]) in self._only]
            return rows_of(stream.tables, mine, [])
        if days is None:
            ask: dict[str, Any] = {"tracking_scripts": self._api.tracking_scripts, "custom_feeds": self.feeds}
            return rows_of(stream.tables, ask[stream.name](account, meter), [], account_id=account.id)
        if stream.name == "leads":
            return settled(lambda ahead: self._leads(stream, account, days, meter, ahead), self._api.ahead)
        return settled(lambda ahead: self._visits(stream, account, days, meter, ahead), self._api.ahead)

    def listed(self, meter: Meter) -> list[dict[str, Any]]:
        """The accounts, asked for once a run."""
        with self._lock:
            if self._accounts is None:
                self._accounts = self._api.accounts(meter)
            return self._accounts

    def feeds(self, account: Account, meter: Meter) -> list[dict[str, Any]]:
        """The account's feeds, asked for once a run."""
        with self._lock:
            if account.id not in self._feeds:
                self._feeds[account.id] = self._api.custom_feeds(account, meter)
            return self._feeds[account.id]

    def _leads(self, stream: Stream, account: Account, days: Days, meter: Meter, ahead: int) -> Batch:
        # a lead's figures are those of the days asked for: the day is the grain
        pages = self._api.pages(api.LEADS, account, days, meter, ceiling=True, ahead=ahead)
        return rows_of_pages(stream.tables, api.LEADS, pages, account, account_id=account.id, date=days.first)

    def _visits(self, stream: Stream, account: Account, days: Days, meter: Meter, ahead: int) -> Batch:
        pages = self._pages_of_visits(account, days, meter, ahead)
        batch = rows_of_pages(stream.tables, api.VISITS, pages, account, account_id=account.id)
        for name in (tables.VISITS.name, tables.VISIT_PAGES.name):
            batch[name] = within(batch[name], "visit_date", days.first, days.last)
        return batch
