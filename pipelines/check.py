"""Each configured vendor's key and the destination, tried for real."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sources.clock import Clock
from sources.errors import SourceError
from sources.ledger import MemoryLedger
from sources.streams import Asked

from .vendors import VENDORS, Vendor
from .warehouse import Warehouse


@dataclass(frozen=True)
class Finding:
    """What trying one thing has shown. `ok` is None for what is not configured."""

    subject: str
    ok: bool | None
    says: str


def check(destination: str, clock: Clock, max_wait: timedelta = Vendor.patience) -> Iterator[Finding]:
    """Try every vendor and the destination; the sentence of a failure ends with its remedy.

    `max_wait` is how long a vendor's limit, or whoever holds the DuckDB file, is waited for.
    """
    for vendor in VENDORS.values():
        yield _vendor(vendor, clock, max_wait)
    yield _destination(destination, clock, max_wait)


def _vendor(vendor: Vendor, clock: Clock, max_wait: timedelta) -> Finding:
    try:
        settings = vendor.package.settings()
        if not getattr(settings, vendor.secret):
            return Finding(vendor.name, None, f"set {vendor.secret_setting} to turn it on")
        run = vendor.package.open_run(
            settings, clock=clock, ledger=MemoryLedger(), asked=Asked(), max_wait=max_wait, wait=False
        )
        try:
            accounts = ", ".join(account.id for account in run.accounts)
        finally:
            run.close()
        if missing := [error for lane in run.lanes for error in lane.errors]:
            return Finding(vendor.name, False, "; ".join(missing))
    except SourceError as error:
        return Finding(vendor.name, False, str(error))
    streams = ", ".join(stream.name for stream in run.streams)
    return Finding(vendor.name, True, f"the key works; accounts: {accounts or 'none'}; streams: {streams}")


def _destination(destination: str, clock: Clock, max_wait: timedelta) -> Finding:
    try:
        warehouse = Warehouse(destination, clock=clock, max_wait=max_wait)
        warehouse.prepare()
    except SourceError as error:
        return Finding(destination, False, str(error))
    return Finding(destination, True, f"{warehouse.place.identity} can be written")
