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
    states: list[State] = field(default_factory=list)

    def at(self, time: int) -> State:
        return [state for state in self.states if state.time <= time][-1]


@dataclass(eq=False)
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
            made = self._connect(self.world.company(company), self._rng(), now(self.world))
            made.custom_user_ids = [(made.created, custom_user_id)]
            made.access_level, made.assets = access_level, []
            for _ in range(assets):
                self.add_asset(made.request_url)
            return made.request_url

    def add_asset(self, request_url: str, message: str = GRANTED) -> str:
        """Returns its id."""
        with self.world.lock:
            connection = self._find(request_url)
            asset = self._asset(connection.company, self._rng())
            asset.states.append(State(now(self.world), message))
            connection.assets.append(asset)
            return asset.id

    def break_asset(self, asset_id: str, message: str = "Access was removed") -> None:
        """It fails from now on; what the story had planned for it is off."""
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

    def _connect(self, company: Company, rng: Random, time: int) -> Connection:
        # what a company has is the same for all its connections: one person can connect twice, as can one asset
        own = Random(f"{self.world.seed}:grants:of:{company.number}")
        people = [(own.randrange(10**5, 10**9), person(own).name) for _ in range(2)]
        known = [self._asset(company, own) for _ in range(8)]
        user, name = people[rng.random() < 0.2]
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
        for place, asset in enumerate(rng.sample(known, rng.randint(1, 5))):
            asset.states = _course(rng, time + 5 * place)
            made.assets.append(asset)
        if rng.random() < 0.1:
            made.custom_user_ids.append((time + rng.randrange(_DAY, 15 * _DAY), f"{company.domain}-again"))
        self._connections.append(made)
        return made

    def _asset(self, company: Company, rng: Random) -> Asset:
        brand = company.name.split()[0]
        name = rng.choice((brand, company.name, f"{brand} {company.location.country_code}"))
        # the first types are the most frequent
        return Asset(str(rng.randrange(10**14, 10**15)), name, int(TYPES * rng.random() ** 3))


def _course(rng: Random, time: int) -> list[State]:
    """Granted at once, or at a second try, or never; and some that were granted break."""
    states = [State(time, GRANTED if rng.random() < 0.75 else rng.choice(tuple(FAILURES)))]
    if not states[0].is_success and rng.random() < 0.6:
        states.append(State(time + rng.randrange(_HOUR, 3 * _DAY), GRANTED))
    if states[-1].is_success and rng.random() < 0.15:
        states.append(State(states[-1].time + rng.randrange(2 * _DAY, 20 * _DAY), rng.choice(tuple(FAILURES))))
    return states
