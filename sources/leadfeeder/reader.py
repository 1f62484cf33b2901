"""What reading a stream of the `/v1` API means: one slice of it, whole, as the rows of its tables."""

import math
import threading
from collections import defaultdict
from datetime import date
from typing import Protocol
from urllib.parse import quote

import pyarrow as pa

from ..errors import AccessError, CeilingError, LimitError, NotEntitledError, QuotaError, SourceError
from ..meter import Meter
from ..pages import settled
from ..streams import Account, Batch, Slice, Stream
from ..tables import Table
from ..windows import Days
from . import api, tables
from .api import Api, Json, ends, id_of
from .visits import Visits

SCOPES = ("company", "contact")


class Options(Protocol):
    """The settings that say how streams are asked for; `…_path` is that of the stream of this name."""

    companies_include: str


class Reader:
    """Reads one stream, for one account and its days, into the stream's tables."""

    def __init__(self, client: Api, visits: Visits, only: frozenset[str] | None, options: Options) -> None:
        self._api = client
        self._visits = visits
        self._only = only
        self._options = options
        self._accounts: list[Json] | None = None
        self._feeds: dict[str, list[Json]] = {}
        self._lists: dict[str, list[Json]] = {}
        self._lock = threading.Lock()
        # the companies that this run has seen in visits, by account
        self.visitors: defaultdict[str, set[str]] = defaultdict(set)

    def read(self, stream: Stream, of: Slice, meter: Meter) -> Batch:
        """All rows of the slice, or an error: never a part of them."""
        account, days = of.account, of.days
        if path := getattr(self._options, f"{stream.name}_path", None):
            return self._at_path(stream, account, path, meter)
        if account is None:
            return rows_of(stream.tables, self._with_credits(meter))
        if days is None:
            return rows_of(stream.tables, self._snapshot(stream, account, of.part, meter), account_id=account.id)
        if of.window is None:
            batch = self._visits.read(account, days, meter)
            companies = batch[tables.VISITS.name]["company_id"].unique().to_pylist()
            self.visitors[account.id].update(filter(None, companies))
            return batch
        given: dict[str, object] = {"account_id": account.id, "window_start": of.window}
        if stream.name == "usage":
            return rows_of(stream.tables, self._usage(account, of.window, meter), **given)
        given |= {"start_date": days.first, "end_date": days.last}
        if of.part is not None:
            given["custom_feed_id"] = of.part
        return rows_of(stream.tables, self._companies(account, days, of.part, meter), **given)

    def listed(self, meter: Meter) -> list[Json]:
        """The accounts, asked for once a run."""
        with self._lock:
            if self._accounts is None:
                try:
                    self._accounts = self._api.listed(api.ACCOUNTS, meter, by=None)
                except AccessError as error:
                    if error.status == 404:
                        error.remedy = "check sources.leadfeeder.base_url"
                    raise
            return self._accounts

    def feeds(self, account: Account, meter: Meter) -> list[Json]:
        """The account's feeds, asked for once a run."""
        with self._lock:
            if account.id not in self._feeds:
                params = {"account_id": account.id, "include": "folder,connected_list"}
                self._feeds[account.id] = self._api.listed(api.CUSTOM_FEEDS, meter, params, by=None)
            return self._feeds[account.id]

    def lists(self, account: Account, meter: Meter) -> list[Json]:
        """The account's lists of both scopes, or of the one that it has bought, asked for once a run."""
        with self._lock:
            if account.id not in self._lists:
                found: dict[str, Json] = {}
                refused: list[NotEntitledError] = []
                for scope in SCOPES:
                    try:
                        listed = self._api.listed(api.LISTS, meter, {"account_id": account.id, "filter[scope]": scope})
                    except NotEntitledError as error:
                        refused.append(error)
                        continue
                    for one in listed:
                        attributes = one.get("attributes") or {}
                        found[id_of(one)] = {**one, "attributes": {"scope": scope, **attributes}}
                if len(refused) == len(SCOPES):
                    raise refused[0]
                meter.notes += [f"skipped: the lists of one scope: {each.message}" for each in refused]
                self._lists[account.id] = list(found.values())
            return self._lists[account.id]

    def parts(self, stream: Stream, account: Account, meter: Meter) -> list[str]:
        """What a stream is read by: the ids of the account's lists, or of its feeds."""
        of = self.lists if stream.name == "list_items" else self.feeds
        return [id_of(each) for each in of(account, meter)]

    def _with_credits(self, meter: Meter) -> list[Json]:
        mine = [each for each in self.listed(meter) if self._only is None or id_of(each) in self._only]
        found = []
        for account in mine:
            try:
                detail = self._api.one(api.ACCOUNTS, meter, {"account_id": id_of(account)})
            except NotEntitledError:
                detail = {}
            except SourceError as error:
                if isinstance(error, (LimitError, QuotaError)) or getattr(error, "status", None) == 401:
                    raise
                # its name came with the list
                meter.notes.append(f"the credits of account {id_of(account)} are unknown: {error.message}")
                detail = {}
            attributes = {**(account.get("attributes") or {}), **(detail.get("attributes") or {})}
            found.append({**account, "attributes": attributes})
        return found

    def _snapshot(self, stream: Stream, account: Account, part: str | None, meter: Meter) -> list[Json]:
        if stream.name == "custom_feeds":
            return self.feeds(account, meter)
        if stream.name == "lists":
            return self.lists(account, meter)
        of_account = {"account_id": account.id}
        if stream.name == "tags":
            return self._api.listed(api.TAGS, meter, of_account)
        if part is None or part not in self.parts(stream, account, meter):
            # a list that is gone
            return []
        path = api.LIST_ITEMS.format(quote(part, safe=""))
        return [{**item, "list_id": part} for item in self._api.listed(path, meter, of_account, by="cursor")]

    def _at_path(self, stream: Stream, account: Account | None, path: str, meter: Meter) -> Batch:
        """A stream whose path is not published: where it is not right, it is skipped."""
        # what belongs to no account may want one all the same
        known = account.id if account else next((id_of(each) for each in self.listed(meter)), "")
        try:
            found = self._api.listed(path, meter, {"account_id": known} if known else {})
        except AccessError as error:
            if error.status != 404:
                raise
            raise NotEntitledError(
                f"path {path} is not available", remedy=f"set sources.leadfeeder.{stream.name}_path"
            ) from None
        return rows_of(stream.tables, found, **({"account_id": account.id} if account else {}))

    def _usage(self, account: Account, month: date, meter: Meter) -> list[Json]:
        period = f"{month:%Y-%m}"
        params = {"account_id": account.id, "start_period": period, "end_period": period}
        found = []
        for row in self._api.listed(api.USAGE, meter, params, by=None):
            attributes = {"period": period, **(row.get("attributes") or {})}
            texts = [text for name, text in sorted(attributes.items()) if name != "period" and isinstance(text, str)]
            named = ":".join([str(attributes["period"]), *texts])
            found.append({**row, "id": row.get("id") or named, "attributes": attributes})
        return found

    def _companies(self, account: Account, days: Days, feed: str | None, meter: Meter) -> list[Json]:
        """The companies of a window; one that is over the ceiling is read in parts and united."""
        include = "" if feed else self._options.companies_include

        def read(ahead: int) -> list[Json]:
            pages = self._api.visitor_companies(account, days, meter, ahead=ahead, include=include, feed=feed)
            return [item for page in pages for item in page.items]

        try:
            return settled(read, self._api.ahead)
        except CeilingError as error:
            if len(days) == 1:
                raise CeilingError(error.message, pages=error.pages, day=days.first) from None
            parts = days.parts(max(2, math.ceil(error.pages / 80)))
            rows = [item for part in parts for item in self._companies(account, part, feed, meter)]
            return list({id_of(item): item for item in rows}.values())


def rows_of(filled: tuple[Table, ...], items: list[Json], **given: object) -> dict[str, pa.Table]:
    """The rows of a stream's tables: what is listed, and the places that it refers to."""
    return {
        table.name: table.rows(ends(items, "location") if table is tables.LOCATIONS else items, **given)
        for table in filled
    }
