"""The dlt source of Leadsie: its settings, its stream, and what reading it means."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltSource

from ..budget import Budget
from ..clock import Clock
from ..errors import AccessError, RequestError, SettingError
from ..ledger import Ledger, MemoryLedger
from ..meter import Meter
from ..runs import Run
from ..session import Session
from ..settings import VendorSettings, listed, positive, resolve, scope, shared
from ..streams import Account, Asked, Batch, Slice, Stream
from . import api, tables
from .api import Api
from .connections import Row, states, united

log = logging.getLogger(__name__)

VENDOR = "leadsie"
# how the vendor may say that it wants a customUserId, and that it does not know one
REFUSALS, UNKNOWN = (400, 403, 404, 422), (404,)


@configspec
class Settings(VendorSettings):
    """`sources.leadsie` in dlt's configuration. Days and accounts have no meaning for this vendor."""

    api_key: TSecretStrValue | None = None
    base_url: str = api.BASE_URL
    requests_per_minute: int = api.REQUESTS_PER_MINUTE
    custom_user_ids: Any | None = None
    clients: bool = False
    clients_path: str = api.CLIENTS_PATH
    client_path: str = api.CLIENT_PATH
    clients_header: str = api.CLIENTS_HEADER


def settings() -> Settings:
    """The vendor's settings; raises SettingError. Without an `api_key` the vendor is off."""
    return resolve(Settings, VENDOR)


def open_run(
    found: Settings,
    *,
    clock: Clock,
    ledger: Ledger,  # noqa: ARG001 — nothing has to outlast a run
    asked: Asked = Asked(),
    max_wait: timedelta = timedelta(hours=1),
    wait: bool = True,  # noqa: ARG001 — nothing is prepared
) -> Run:
    """A run over Leadsie; nothing is asked of the vendor yet. Raises SettingError."""
    if not found.api_key:
        raise SettingError(f"sources.{VENDOR}.api_key is not set", remedy="set it in .dlt/secrets.toml")
    per_minute = int(positive(f"sources.{VENDOR}.requests_per_minute", found.requests_per_minute))
    for name, value, part in (
        ("client_path", found.client_path, "{id}"),
        ("clients_header", found.clients_header, "{key}"),
    ):
        if part not in value:
            raise SettingError(f"sources.{VENDOR}.{name} is {value!r}", remedy=f"give it with {part} in it")
    chosen = scope(found, VENDOR, asked)
    together = shared(found, VENDOR, found.api_key, clock)
    session = Session(
        base_url=found.base_url,
        auth=api.auth(found.api_key, found.clients_header),
        secrets=(found.api_key,),
        budget=Budget(api.limit(per_minute), clock=clock, shared=together),
        clock=clock,
        read_error=api.read_error,
        max_wait=max_wait,
        timeout=found.request_timeout,
    )
    client = Api(session, found.api_key, found.clients_path, found.client_path)
    reader = Reader(client, listed(found.custom_user_ids) or (), clients=found.clients)
    return Run(
        vendor=VENDOR,
        streams=STREAMS,
        read=reader.read,
        accounts=reader.first,
        session=session,
        clock=clock,
        start=chosen.start,
        lookback=chosen.lookback,
        requests_per_second=per_minute / 60,
        asked=replace(asked, accounts=None),
        pii=chosen.pii,
    )


def leadsie(asked: Asked = Asked()) -> DltSource:
    """The whole vendor as one dlt source, for a pipeline of your own, set by dlt's configuration."""
    return open_run(settings(), asked=asked, clock=Clock(), ledger=MemoryLedger()).source(whole=True)


STREAMS = (
    Stream(
        "connections",
        (tables.CONNECTIONS, tables.CONNECTION_ASSETS, tables.CONNECTION_STATUS_HISTORY),
        by="vendor",
        dated=(tables.CONNECTION_ASSETS.name, "time"),
    ),
)


class Reader:
    """Reads all connections: with one call that names nobody and one for each customUserId, or client by client."""

    def __init__(self, client: Api, custom_user_ids: tuple[str, ...], *, clients: bool) -> None:
        self._api = client
        self._ids = custom_user_ids
        self._answers: dict[str | None, list[Row] | None] = {}
        self._refusal: AccessError | RequestError | None = None
        self._clients: list[Row] | None = None
        self._by_client = clients

    def first(self, meter: Meter) -> list[Account]:
        """The request that everything else stands on; there are no accounts. Raises where the vendor refuses it."""
        if self._by_client:
            self._clients = self._api.clients(meter)
            return []
        for name in (None, *self._ids):
            if self._status(name, meter) is not None:
                return []
        assert self._refusal is not None
        raise self._refusal

    def read(self, stream: Stream, of: Slice, meter: Meter) -> Batch:  # noqa: ARG002 — there is one of each
        """All connections, or an error: never a part of them."""
        connections = united(self._rows(meter))
        return {
            tables.CONNECTIONS.name: tables.CONNECTIONS.rows(connections),
            tables.CONNECTION_ASSETS.name: tables.CONNECTION_ASSETS.rows(connections),
            tables.CONNECTION_STATUS_HISTORY.name: tables.CONNECTION_STATUS_HISTORY.rows(list(states(connections))),
        }

    def _rows(self, meter: Meter) -> Iterator[Row]:
        if self._clients is not None:
            for client in self._clients:
                yield from self._api.client(client, meter)
            return
        for name in (None, *self._ids):
            for row in self._status(name, meter) or ():
                # the call that names somebody says whose the connection is, where the connection does not
                yield row if row.get("customUserId") or name is None else {**row, "customUserId": name}

    def _status(self, name: str | None, meter: Meter) -> list[Row] | None:
        """The connections of one customUserId, asked for once a run; None where the vendor refuses it."""
        if name not in self._answers:
            try:
                self._answers[name] = self._api.status(name, meter)
            except (AccessError, RequestError) as error:
                if error.status not in (REFUSALS if name is None else UNKNOWN):
                    error.message = error.message if name is None else f"customUserId {name!r}: {error.message}"
                    raise
                if name is None:
                    # a wrong key or address may be refused in the same way
                    ids = f"name your customers' ids in sources.{VENDOR}.custom_user_ids"
                    error.remedy = f"check the key and base_url, or {ids}"
                else:
                    log.warning("%s: nothing comes for the customUserId %r", VENDOR, name)
                log.debug("%s: %s", VENDOR, error)
                self._answers[name], self._refusal = None, error
        return self._answers[name]
