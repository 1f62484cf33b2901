"""Records that can cost credits: companies that visited, their financials, their contacts; companies behind addresses.

A record costs 1 credit, unless it is inside the account's twelve-month subscription to it (a company that visited is).
What is not known before the answer is reckoned with its worst price: nothing is asked for that could pass the run's
budget. What is left then is the next run's. Each record is asked for once in `max_age`.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from ..clock import Clock
from ..errors import AccessError, RequestError, SourceError, TransientError
from ..lanes import Lane
from ..ledger import Ledger
from ..runs import Run
from ..streams import Account, Stream
from ..tables import Table, concat
from . import tables
from .api import Api, Json

PRICE = 1
AHEAD = 16
# failures of single records after which a stream is given up
FAILURES = 3

COMPANIES = Stream(
    "companies",
    (tables.COMPANIES, tables.GONE_COMPANIES, tables.COMPANY_ALIASES),
    by="walk",
    optional="companies",
)
FINANCIALS = Stream("company_financials", (tables.COMPANY_FINANCIALS,), by="walk", optional="company_financials")
CONTACTS = Stream("contacts", (tables.CONTACTS, tables.CONTACT_SEARCHES), by="walk", optional="contacts")
ENRICHMENT = Stream("ip_enrichment", (tables.IP_ENRICHMENT,), by="walk", optional="enrich_ips")
STREAMS = (COMPANIES, FINANCIALS, CONTACTS, ENRICHMENT)

Rows = tuple[Table, pa.Table]
Ask = Callable[[str], Json]


class Credits:
    """What one run may spend. `price` is the most that an answer has cost, or the documented price."""

    def __init__(self, budget: int) -> None:
        self.left = budget
        self.price = PRICE
        self._lock = threading.Lock()

    def charge(self, credits_charged: int) -> None:
        """An answer has cost so many."""
        with self._lock:
            self.left -= credits_charged
            self.price = max(self.price, credits_charged)


@dataclass
class _Chunk:
    """Records that were asked for side by side: those that came, by the ids asked for, and those that are gone."""

    found: dict[str, Json] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)

    @property
    def items(self) -> list[Json]:
        return [{**item, "asked_id": asked} for asked, item in self.found.items()]


class Records:
    """The walks of one run. `visitors` are the companies that this run has seen in visits, by account."""

    def __init__(
        self,
        client: Api,
        ledger: Ledger,
        credits_left: Credits,
        clock: Clock,
        *,
        max_age: timedelta,
        ips: tuple[str, ...],
        visitors: Mapping[str, set[str]],
    ) -> None:
        self._api = client
        self._ledger = ledger
        self._credits = credits_left
        self._clock = clock
        self._max_age = max_age
        self._ips = ips
        self._visitors = visitors
        self._walks: dict[str, Iterator[Rows]] = {}
        self._done: set[str] = set()

    def left(self, stream: Stream) -> bool:
        """Whether something of the stream is still to be read."""
        return stream.name not in self._done

    def rows(self, run: Run, stream: Stream, state: MutableMapping[str, Any]) -> Iterator[Any]:  # noqa: ARG002
        """Yield records until all is read or the run's piece is spent."""
        if not run.has_read:
            # the companies are those of the visits: these come first, in a piece of their own
            return
        walk = self._walks.setdefault(stream.name, self._walk(run, stream))
        read: dict[str, list[pa.Table]] = {table.name: [] for table in stream.tables}
        while not run.spent:
            rows = next(walk, None)
            if rows is None:
                self._done.add(stream.name)
                run.lanes.close_all(stream)
                break
            if rows[1].num_rows:
                read[rows[0].name].append(rows[1])
        for table in stream.tables:
            if parts := read[table.name]:
                yield run.item(stream, table, concat(parts))

    def _walk(self, run: Run, stream: Stream) -> Iterator[Rows]:
        read = {
            COMPANIES.name: self._companies,
            FINANCIALS.name: self._financials,
            CONTACTS.name: self._contacts,
            ENRICHMENT.name: self._addresses,
        }[stream.name]
        lanes = [(run.lanes.open(stream, account), account) for account in run.accounts]
        for lane, account in lanes:
            try:
                yield from read(run, lane, account)
            except SourceError as error:
                run.lanes.fail(lane, error, None)

    def _companies(self, run: Run, lane: Lane, account: Account) -> Iterator[Rows]:
        gone = {row["id"]: row["gone_at"] for row in self._known(tables.GONE_COMPANIES, account) if row["gone_at"]}
        read = self._read_at(account, (tables.COMPANIES, "id"), (tables.GONE_COMPANIES, "id"))
        read |= self._read_at(account, (tables.COMPANY_ALIASES, "asked_id"))
        for chunk in self._ask(run, lane, self._due(self._seen(account), read), self._asking("/companies/{}", lane)):
            now = self._clock.now()
            given = {"account_id": account.id, "read_at": now}
            lane.rows += len(chunk.found)
            yield tables.COMPANIES, tables.COMPANIES.rows(chunk.items, **given)
            aliases = [item for item in chunk.items if str(item["id"]) != item["asked_id"]]
            yield tables.COMPANY_ALIASES, tables.COMPANY_ALIASES.rows(aliases, **given)
            marks = [{"id": each, "gone_at": gone.get(each, now)} for each in chunk.gone]
            marks += [{"id": each} for each in chunk.found if each in gone]
            yield tables.GONE_COMPANIES, tables.GONE_COMPANIES.rows(marks, **given)

    def _financials(self, run: Run, lane: Lane, account: Account) -> Iterator[Rows]:
        table = tables.COMPANY_FINANCIALS
        due = self._due(self._seen(account), self._read_at(account, (table, "company_id")))
        for chunk in self._ask(run, lane, due, self._asking("/companies/{}/financials", lane)):
            lane.rows += len(chunk.found)
            items = [*chunk.items, *({"asked_id": each} for each in chunk.gone)]
            yield table, table.rows(items, account_id=account.id, read_at=self._clock.now())

    def _contacts(self, run: Run, lane: Lane, account: Account) -> Iterator[Rows]:
        read = self._read_at(account, (tables.CONTACTS, "id"))
        searched = self._read_at(account, (tables.CONTACT_SEARCHES, "company_id"))
        due = self._due(self._seen(account), searched)
        for place, company in enumerate(due):
            if self._credits.left < self._credits.price:
                self._put_off(lane, f"the contacts of {len(due) - place} companies")
                return
            params = {"account_id": account.id}
            found = self._api.search("/contacts/search", {"company_ids": [company]}, lane.meter, params)
            left = self._due([str(each["id"]) for each in found], read)
            for chunk in self._ask(run, lane, left, self._asking("/contacts/{}", lane)):
                lane.rows += len(chunk.found)
                given = {"account_id": account.id, "read_at": self._clock.now()}
                yield tables.CONTACTS, tables.CONTACTS.rows(chunk.items, **given)
                left = [each for each in left if each not in chunk.found and each not in chunk.gone]
            if not left:
                done = [{"company_id": company, "contacts": len(found)}]
                given = {"account_id": account.id, "read_at": self._clock.now()}
                yield tables.CONTACT_SEARCHES, tables.CONTACT_SEARCHES.rows(done, **given)

    def _addresses(self, run: Run, lane: Lane, account: Account) -> Iterator[Rows]:
        if account != run.accounts[0]:
            # one account's credits are enough for them
            return
        table = tables.IP_ENRICHMENT
        due = self._due(self._ips, self._read_at(account, (table, "ip")))

        def ask(ip: str) -> Json:
            return self._api.one("/ip/enrich", lane.meter, {"account_id": account.id, "ip": ip}, price=PRICE)

        for chunk in self._ask(run, lane, due, ask):
            lane.rows += len(chunk.found)
            items = [*chunk.items, *({"asked_id": each} for each in chunk.gone)]
            yield table, table.rows(items, account_id=account.id, read_at=self._clock.now())

    def _asking(self, path: str, lane: Lane) -> Ask:
        params = {"account_id": lane.account_id or ""}
        return lambda record: self._api.one(path.format(quote(record, safe="")), lane.meter, params, price=PRICE)

    def _ask(self, run: Run, lane: Lane, ids: list[str], ask: Ask) -> Iterator[_Chunk]:
        """Ask for records, side by side, as far as the budget goes.

        One that cannot be had is noted, and the others are asked for; raises where that does not help.
        """
        failures, at_once = 0, 1
        while ids:
            # the first answer tells what they cost
            size = min(at_once, self._credits.left // self._credits.price)
            at_once = AHEAD
            if size < 1:
                self._put_off(lane, f"{len(ids)} records")
                return
            chunk = _Chunk()
            errors: list[SourceError] = []
            for record, future in self._api.each(ids[:size], ask):
                try:
                    chunk.found[record] = future.result()
                except AccessError as error:
                    if error.status == 404:
                        chunk.gone.append(record)
                    else:
                        errors.append(error)
                except SourceError as error:
                    errors.append(error)
            ids = ids[size:]
            # what has been paid for is kept, whatever became of its neighbours
            yield chunk
            for failure in errors:
                failures += 1
                if failures >= FAILURES or not isinstance(failure, (TransientError, RequestError)):
                    raise failure
                run.lanes.fail(lane, failure, None, stop=False)

    def _put_off(self, lane: Lane, what: str) -> None:
        lane.notes.append(f"{what} are left to the next run: credit_budget is used up")

    def _seen(self, account: Account) -> set[str]:
        """The companies in visits, of this run and of all before it."""
        rows = self._known(_slim(tables.VISITS, "account_id", "company_id"), account)
        return {row["company_id"] for row in rows if row["company_id"]} | self._visitors.get(account.id, set())

    def _due(self, ids: Collection[str], read: Mapping[str, datetime]) -> list[str]:
        """Those that were never read, then those whose time has come again, the oldest first."""
        since = self._clock.now() - self._max_age
        old = sorted((read[each], each) for each in set(ids) & read.keys() if read[each] <= since)
        return [*sorted(set(ids) - read.keys()), *(each for _, each in old)]

    def _read_at(self, account: Account, *places: tuple[Table, str]) -> dict[str, datetime]:
        """When each record was last asked for: by the tables that say so, and their columns of what was asked."""
        found: dict[str, datetime] = {}
        for table, column in places:
            for row in self._known(_slim(table, "account_id", column, "read_at"), account):
                if row["read_at"]:
                    found[row[column]] = max(row["read_at"], found.get(row[column], row["read_at"]))
        return found

    def _known(self, table: Table, account: Account) -> list[dict[str, Any]]:
        return [row for row in self._ledger.rows(table) if row["account_id"] == account.id]


def _slim(table: Table, *columns: str) -> Table:
    """The table with no more columns than these, as far as reading it goes."""
    return replace(table, columns=tuple(column for column in table.columns if column.name in columns), open=None)
