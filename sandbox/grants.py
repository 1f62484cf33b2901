"""The story of the grants: who of the companies that visit gives access to which assets, and what becomes of them.

A *connection* is one person's answer to one request; its assets are granted at once, or after a failure and
a second try, and some break later. A person who returns with another customUserId belongs to that one alone.
The customUserId is the company's web domain. The same (seed, day) brings the same connections; nothing is
seen before it happens.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from .companies import Company, short_id
from .people import KNOWN, midnight, now, office_hour, person, visitor
from .world import World

MUTATORS = (
    "add_asset",
    "add_connection",
    "break_asset",
    "fix_asset",
    "remove_connection",
    "return_as",
)
TYPES = 28
BEFORE = (midnight(date(2024, 1, 1)), midnight(date(2024, 12, 1)))
GRANTED = "Successfully connected"
# what the older answers say, and what the newer ones make of it
FAILURES = {
    "You need to be an admin of this asset": "Insufficient permissions",
    "The platform did not answer": "Unknown",
    "The invitation was not accepted yet": "In progress",
    "Access was removed": "Not Connected",
}
_HOUR, _DAY = 3600, 86_400


class State(NamedTuple):
    time: int
    message: str

    @property
    def is_success(self) -> bool:
        return self.message == GRANTED


@dataclass
class Asset:
    """`type` is a number that each vocabulary has its own word for."""

    id: str
    name: str
    type: int
    states: list[State]

    def at(self, time: int) -> State:
        return [state for state in self.states if state.time <= time][-1]


@dataclass
class Connection:
    user: int
    person: str
    company: Company
    request_id: str
    request_name: str
    access_level: str
    # since when which customUserId; the first one's time is the connection's
    custom_user_ids: list[tuple[int, str | None]]
    assets: list[Asset] = field(default_factory=list)

    @property
    def created(self) -> int:
        return self.custom_user_ids[0][0]

    @property
    def client_id(self) -> str:
        return short_id(f"leadsie:{self.company.id}", 24)

    @property
    def request_url(self) -> str:
        return f"https://app.leadsie.io/connect/{self.request_id}/manage"

    def custom_user_id(self, time: int) -> str | None:
        return [name for since, name in self.custom_user_ids if since <= time][-1]

    def assets_at(self, time: int) -> list[Asset]:
        return [asset for asset in self.assets if asset.states[0].time <= time]


class Grants:
    def __init__(self, world: World) -> None:
        self.world = world
        self._connections: list[Connection] = []
        self._told: date | None = None
        self._added = 0

    def connections(self) -> list[Connection]:
        """Those there are by now, oldest first."""
        with self.world.lock:
            self._tell()
            time = now(self.world)
            return sorted((each for each in self._connections if each.created <= time), key=lambda each: each.created)

    # what tests do to it; a connection is named by its requestUrl, an asset by its id

    def add_connection(
        self, company: int = 0, custom_user_id: str | None = None, assets: int = 2, access_level: str = "admin"
    ) -> str:
        """Somebody of this company (by number) grants access now. Returns the requestUrl."""
        with self.world.lock:
            self._tell()
            rng = self._rng()
            made = self._connect(self.world.company(company), rng, now(self.world))
            made.custom_user_ids = [(made.created, custom_user_id)]
            made.access_level, made.assets = access_level, []
            for _ in range(assets):
                self._grant(made, rng, made.created, GRANTED)
            return made.request_url

    def add_asset(self, request_url: str, message: str = GRANTED) -> str:
        """Returns its id."""
        with self.world.lock:
            return self._grant(self._find(request_url), self._rng(), now(self.world), message).id

    def break_asset(self, asset_id: str, message: str = "Access was removed") -> None:
        """It fails from now on; the story has no more to say about it."""
        with self.world.lock:
            time = now(self.world)
            found = [asset for each in self.connections() for asset in each.assets_at(time) if asset.id == asset_id]
            if not found:
                raise ValueError(f"no such asset: {asset_id!r}")
            for asset in found:
                asset.states = [*(state for state in asset.states if state.time <= time), State(time, message)]

    def fix_asset(self, asset_id: str) -> None:
        self.break_asset(asset_id, GRANTED)

    def return_as(self, request_url: str, custom_user_id: str | None) -> None:
        """The person returns with another customUserId: the connection is that one's alone."""
        with self.world.lock:
            connection, time = self._find(request_url), now(self.world)
            kept = [each for each in connection.custom_user_ids if each[0] <= time]
            connection.custom_user_ids = [*kept, (time, custom_user_id)]

    def remove_connection(self, request_url: str) -> None:
        with self.world.lock:
            self._connections.remove(self._find(request_url))

    def _find(self, request_url: str) -> Connection:
        for each in self.connections():
            if each.request_url == request_url:
                return each
        raise ValueError(f"no such connection: {request_url!r}")

    def _rng(self) -> Random:
        self._added += 1
        return Random(f"{self.world.seed}:grants:added:{self._added}")

    # the story

    def _tell(self) -> None:
        """Goes on to the world's today."""
        if self._told is None:
            for number in range(KNOWN):
                rng = Random(f"{self.world.seed}:grants:company:{number}")
                if number % 10 != 9 and rng.random() < 0.05:
                    self._connect(self.world.company(number), rng, rng.randrange(*BEFORE, 60))
            self._told = self.world.first_day - timedelta(days=1)
        while self._told < self.world.today:
            self._told += timedelta(days=1)
            self._tell_day(self._told)

    def _tell_day(self, day: date) -> None:
        rng = Random(f"{self.world.seed}:grants:{day}")
        for _ in range(rng.choice((0, 1, 1, 2) if day.weekday() < 5 else (0, 0, 0, 1))):
            self._connect(visitor(rng, self.world), rng, office_hour(rng, day))
        if rng.random() < 0.15:
            returning = rng.choice(self._connections)
            if returning.created < midnight(day):
                name = f"{returning.company.domain}-{day.year}"
                returning.custom_user_ids.append((office_hour(rng, day), name))

    def _connect(self, company: Company, rng: Random, time: int) -> Connection:
        before = [each for each in self._connections if each.company.number == company.number]
        user, name = rng.randrange(10**5, 10**9), person(rng).name
        if before and rng.random() < 0.7:
            user, name = before[-1].user, before[-1].person
        request_id = str(rng.randrange(10**15, 10**16))
        made = Connection(
            user=user,
            person=name,
            company=company,
            request_id=request_id,
            # a request without a name is called by its id
            request_name=request_id if rng.random() < 0.2 else f"{company.name}: marketing access",
            access_level=rng.choice(("admin", "admin", "view")),
            custom_user_ids=[(time, None if rng.random() < 0.1 else company.domain)],
        )
        self._connections.append(made)
        if before and rng.random() < 0.5:
            # the same asset once more: it is of both connections
            known = rng.choice(before[-1].assets)
            made.assets.append(Asset(known.id, known.name, known.type, [State(time, GRANTED)]))
        for place in range(rng.randint(1, 5)):
            message = GRANTED if rng.random() < 0.75 else rng.choice(tuple(FAILURES))
            asset = self._grant(made, rng, time + 5 * place, message)
            if message != GRANTED and rng.random() < 0.6:
                asset.states.append(State(asset.states[-1].time + rng.randrange(_HOUR, 3 * _DAY), GRANTED))
            if rng.random() < 0.15:
                broken = asset.states[-1].time + rng.randrange(2 * _DAY, 20 * _DAY)
                asset.states.append(State(broken, rng.choice(tuple(FAILURES))))
        return made

    def _grant(self, connection: Connection, rng: Random, time: int, message: str) -> Asset:
        brand = connection.company.name.split()[0]
        name = rng.choice((brand, connection.company.name, f"{brand} {connection.company.location.country_code}"))
        # the first five types are the most frequent, and the only ones of the older vocabulary
        asset = Asset(str(rng.randrange(10**14, 10**15)), name, int(TYPES * rng.random() ** 3), [State(time, message)])
        connection.assets.append(asset)
        return asset
