"""The CRM's story: leads of every day, accounts, their contacts and the campaigns, about the companies that visit.

Companies are the world's, known by their web domain: `website` of an account, e-mail domain of a lead or a
contact. Some 30 of 100 are accounts from before the story, others are missing; twenty accounts never visit.
A lead moves on from `new` over `contacted` to `qualified` or `unqualified`, and from `qualified` to
`converted`: then its company is an account, and the person a contact. The same (seed, day) brings the same
leads. Nothing is seen before it happens.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Literal, TypeAlias
from zlib import crc32

from .companies import Company, uuid_of
from .people import FREE_MAIL, KNOWN, ROLES, Person, midnight, now, numbered_person, office_hour, person, visitor
from .words import CHANNELS, LAUNCH
from .world import World

Kind: TypeAlias = Literal["leads", "accounts", "contacts", "campaigns"]
Order: TypeAlias = Literal["newest", "oldest", "random"]

KINDS: tuple[Kind, ...] = ("leads", "accounts", "contacts", "campaigns")
MUTATORS = ("add_crm_rows", "bulk_leads", "change_crm_row", "remove_crm_rows")
STATUSES = ("new", "contacted", "qualified", "unqualified", "converted")
STRANGERS = range(2_900, 2_920)
BEFORE = (midnight(date(2022, 1, 1)), midnight(date(2024, 12, 1)))
BULK_START, BULK_STEP, BULK_ID = midnight(date(2023, 1, 1)), 600, "b0000000-0000-4000-8000-"
_LEADS_A_DAY = (4, 5, 4, 4, 3, 1, 0)
_HOUR, _DAY = 3600, 86_400


@dataclass(slots=True)
class Row:
    """A record and all that happens to it: when, and which values it sets; the first event is its creation."""

    id: str
    events: list[tuple[int, dict[str, Any]]]

    @property
    def created(self) -> int:
        return self.events[0][0]

    def at(self, time: int) -> dict[str, Any]:
        """As a detail shows it at this time."""
        happened = [event for event in self.events if event[0] <= time]
        values: dict[str, Any] = {"id": self.id}
        for _, changes in happened:
            values |= changes
        return values | {"created_at": _instant(self.created), "updated_at": _instant(happened[-1][0])}


# bulk leads are known by their number alone
Entry: TypeAlias = Row | int


class Crm:
    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: dict[Kind, dict[str, Row]] = {kind: {} for kind in KINDS}
        # by the company's number
        self._accounts: dict[int, Row] = {}
        # those from before the story: a longer one must choose among the same
        self._old_contacts: list[Row] = []
        self._campaigns: list[Row] = []
        self._told: date | None = None
        self._bulk: list[int] = []
        self._changed: dict[int, Row] = {}
        self._added = 0
        self._version = 0
        self._shuffled: dict[tuple[Kind, int, int], list[Entry]] = {}

    def listed(self, kind: Kind, order: Order) -> list[Entry]:
        """What there is by now, to be shown with `show`."""
        with self.world.lock:
            self._tell()
            time = now(self.world)
            seen = sorted((row for row in self.rows[kind].values() if row.created <= time), key=lambda row: row.created)
            entries: list[Entry] = [*self._bulk, *seen] if kind == "leads" else [*seen]
            if order == "newest":
                entries.reverse()
            elif order == "random":
                key = (kind, self._version, len(entries))
                if key not in self._shuffled:
                    self._shuffled = {key: sorted(entries, key=lambda entry: crc32(_id(entry).encode()))}
                entries = self._shuffled[key]
            return entries

    def show(self, entry: Entry) -> dict[str, Any]:
        return (self._bulk_row(entry) if isinstance(entry, int) else entry).at(now(self.world))

    def find(self, kind: Kind, row_id: str) -> Row | None:
        with self.world.lock:
            self._tell()
            if (row := self.rows[kind].get(row_id)) is not None:
                return row if row.created <= now(self.world) else None
            number = _bulk_number(row_id) if kind == "leads" else None
            return self._bulk_row(number) if number in self._bulk else None

    # what tests do to it

    def add_crm_rows(self, kind: Kind, n: int = 1, **values: Any) -> list[str]:
        """New rows, created now. Returns their ids."""
        with self.world.lock:
            self._tell()
            added = []
            for _ in range(n):
                self._added += 1
                rng = Random(f"{self.world.seed}:crm:added:{self._added}")
                row = self._new(kind, rng, self._values(kind, rng) | values, now(self.world))
                added.append(row.id)
            self._version += 1
            return added

    def change_crm_row(self, kind: Kind, row_id: str, **values: Any) -> None:
        """Sets `status`, `name`, `email` or whatever now; what the story had planned for this row is off."""
        with self.world.lock:
            row = self._existing(kind, row_id)
            time = now(self.world)
            row.events = [*(event for event in row.events if event[0] <= time), (time, values)]
            if (number := _bulk_number(row_id)) is not None:
                self._changed[number] = row

    def remove_crm_rows(self, kind: Kind, which: int | list[str] = 1) -> list[str]:
        """The newest so many, or those with these ids, are gone. Returns their ids."""
        with self.world.lock:
            gone = [_id(e) for e in self.listed(kind, "newest")[:which]] if isinstance(which, int) else list(which)
            for row_id in gone:
                self._existing(kind, row_id)
            for row_id in gone:
                self.rows[kind].pop(row_id, None)
            numbers = {_bulk_number(row_id) for row_id in gone}
            self._bulk = [number for number in self._bulk if number not in numbers]
            self._version += 1
            return gone

    def bulk_leads(self, n: int) -> None:
        """So many leads of the years before the story, made when they are looked at."""
        with self.world.lock:
            self._bulk = list(range(n))
            self._version += 1

    def _existing(self, kind: Kind, row_id: str) -> Row:
        if (row := self.find(kind, row_id)) is None:
            raise ValueError(f"no such row of {kind}: {row_id!r}")
        return row

    # the story

    def _tell(self) -> None:
        """Goes on to the world's today."""
        if self._told is None:
            self._tell_before()
            self._told = self.world.first_day - timedelta(days=1)
        while self._told < self.world.today:
            self._told += timedelta(days=1)
            self._tell_day(self._told)

    def _tell_before(self) -> None:
        for number in (*range(KNOWN), *STRANGERS):
            rng = Random(f"{self.world.seed}:crm:company:{number}")
            if number in STRANGERS or (number % 10 != 9 and rng.random() < 0.3):
                company = self.world.company(number)
                account = self._account(company, rng.randrange(*BEFORE, 60))
                for _ in range(rng.randint(1, 3)):
                    self._contact(account, company, person(rng), rng, account.created + 60 * rng.randrange(90 * 1440))
        names = [each.campaign for each in CHANNELS if each.campaign] + [f"Launch on {LAUNCH.source}"]
        for place, name in enumerate(names):
            rng = Random(f"{self.world.seed}:crm:campaign:{name}")
            status = ("active", "active", "paused", "active", "completed")[place]
            values = {"name": name, "status": status, "leads_count": 0}
            self._campaigns.append(self._new("campaigns", rng, values, rng.randrange(*BEFORE, 60)))
        self._old_contacts = list(self.rows["contacts"].values())

    def _tell_day(self, day: date) -> None:
        rng = Random(f"{self.world.seed}:crm:{day}")
        for started in sorted(office_hour(rng, day) for _ in range(_LEADS_A_DAY[day.weekday()])):
            self._lead(rng, started)
        # one of the old contacts has a new job
        contact = rng.choice(self._old_contacts)
        if contact.created < midnight(day):
            contact.events.append((office_hour(rng, day), {"role": rng.choice(ROLES)}))

    def _lead(self, rng: Random, started: int) -> None:
        company = visitor(rng, self.world)
        someone = person(rng)
        lead = self._new("leads", rng, _lead_values(rng, company, someone), started)
        campaign = rng.choice(self._campaigns)
        if rng.random() < 0.6 and campaign.events[0][1]["status"] != "completed":
            brought = sum("leads_count" in values for _, values in campaign.events)
            campaign.events.append((started, {"leads_count": brought}))
        time = started
        steps = [("contacted", 0.85, 2), (rng.choice(("qualified", "qualified", "unqualified")), 0.7, 5)]
        steps += [("converted", 0.6, 8)] if steps[1][0] == "qualified" else []
        for status, chance, days in steps:
            if rng.random() > chance:
                return
            time += rng.randrange(_HOUR, days * _DAY, 60)
            lead.events.append((time, {"status": status}))
        if lead.events[-1][1]["status"] == "converted":
            account = self._accounts.get(company.number) or self._account(company, time)
            self._contact(account, company, someone, rng, max(time, account.created))

    def _new(self, kind: Kind, rng: Random, values: dict[str, Any], created: int) -> Row:
        row = Row(uuid_of(rng), [(created, values)])
        self.rows[kind][row.id] = row
        return row

    def _account(self, company: Company, created: int) -> Row:
        # a longer story may know it already: the day's own course must not depend on that
        rng = Random(f"{self.world.seed}:crm:account:{company.number}")
        account = self._new("accounts", rng, _account_values(company), created)
        self._accounts[company.number] = account
        return account

    def _contact(self, account: Row, company: Company, someone: Person, rng: Random, created: int) -> None:
        email = f"{someone.mailbox}@{company.domain}"
        values = {"name": someone.name, "email": email, "role": rng.choice(ROLES), "account_id": account.id}
        self._new("contacts", rng, values, created)

    def _values(self, kind: Kind, rng: Random) -> dict[str, Any]:
        company, someone = visitor(rng, self.world), person(rng)
        match kind:
            case "leads":
                return _lead_values(rng, company, someone)
            case "accounts":
                return _account_values(company)
            case "contacts":
                email = f"{someone.mailbox}@{company.domain}"
                account = rng.choice(list(self.rows["accounts"]))
                return {"name": someone.name, "email": email, "role": rng.choice(ROLES), "account_id": account}
            case "campaigns":
                return {"name": f"Campaign {self._added}", "status": "active", "leads_count": 0}

    def _bulk_row(self, number: int) -> Row:
        if number in self._changed:
            return self._changed[number]
        company, someone = self.world.company(number % KNOWN), numbered_person(number)
        values = {
            "name": someone.name,
            "email": f"{someone.mailbox}.{number}@{company.domain}",
            "company": company.name,
            "phone": f"+3589{number:07d}",
            "status": STATUSES[number % len(STATUSES)],
        }
        return Row(_id(number), [(BULK_START + number * BULK_STEP, values)])


def _lead_values(rng: Random, company: Company, someone: Person) -> dict[str, Any]:
    """A form that somebody filled in: with all of it, or with the name and the address alone."""
    return {
        "name": someone.name,
        "email": f"{someone.mailbox}@{FREE_MAIL if rng.random() < 0.1 else company.domain}",
        "company": rng.choice((company.name, company.name, company.name.split()[0], company.name.upper(), None)),
        "phone": company.phone if rng.random() < 0.6 else None,
        "status": "new",
    }


def _account_values(company: Company) -> dict[str, Any]:
    return {"name": company.name, "industry": company.industry, "website": f"https://{company.domain}"}


def _id(entry: Entry) -> str:
    return f"{BULK_ID}{entry:012d}" if isinstance(entry, int) else entry.id


def _bulk_number(row_id: str) -> int | None:
    digits = row_id.removeprefix(BULK_ID)
    return int(digits) if digits != row_id and digits.isdecimal() else None


def _instant(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
