"""Companies of the story, and the leads they are in an account.

A company is known by its web domain, in every vendor's answers. A *lead* is a company at one place as seen
by one account: its id is `<company>_<location>`, and tags, assignee and CRM ids are the account's own.
Every tenth lead is a branch: the company of the lead before it, in another city.
"""

import hashlib
import itertools
from dataclasses import dataclass, field
from random import Random

from .words import CITIES, EMPLOYEE_BANDS, FIRSTS, INDUSTRIES, MIDDLES, SECONDS, SELLERS, TAGS, City

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS = len(FIRSTS) * len(SECONDS)
_CITY_WEIGHTS = list(itertools.accumulate(city.weight for city in CITIES))


@dataclass(frozen=True, slots=True)
class Location:
    id: str
    country: str
    country_code: str
    region: str
    city: str
    state_code: str | None


@dataclass(frozen=True, slots=True)
class Company:
    """What everybody knows of a company. `number` is its place in the story, vendors share its `domain`."""

    number: int
    id: str
    name: str
    domain: str
    industry: str
    industry_code: int
    industries: tuple[str, ...]
    employee_count: int | None
    employees_min: int | None
    employees_max: int | None
    revenue: str | None
    phone: str | None
    linkedin_url: str | None
    twitter_handle: str | None
    facebook_url: str | None
    business_id: str | None
    dealfront_id: str
    location: Location
    branch: Location


@dataclass(slots=True)
class Lead:
    """A company at one place, in one account."""

    id: str
    company: Company
    location: Location
    number: int
    assignee: str | None
    emailed_to: str | None
    crm_lead_id: int | None
    crm_organization_id: int | str | None
    followed: bool
    tags: list[str] = field(default_factory=list)
    # the document's first sample has neither employees nor CRM fields nor tags
    sparse: bool = False

    @property
    def handled(self) -> bool:
        return bool(self.assignee or self.emailed_to or self.crm_lead_id)


def short_id(text: str, length: int = 22) -> str:
    """An id in the vendor's alphabet, the same for the same text."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:20])
    letters = []
    for _ in range(length):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)


def uuid_of(rng: Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _location(city: City) -> Location:
    return Location(
        short_id(f"location:{city.name}"),
        city.country,
        city.country_code,
        city.region,
        city.name,
        city.state_code,
    )


LOCATIONS = tuple(_location(city) for city in CITIES)


def _name(seed: int, number: int) -> str:
    """Unique for every number of a seed: 3,000 pairs of words, then triples."""
    cycle, place = divmod(number, _PAIRS)
    first, second = divmod((place * 1237 + seed * 577) % _PAIRS, len(SECONDS))
    middle = ""
    if cycle:
        again, middle_place = divmod(cycle - 1, len(MIDDLES))
        middle = f" {MIDDLES[middle_place]}" + (str(again + 1) if again else "")
        return f"{FIRSTS[first]}{middle} {SECONDS[second].title()}"
    return FIRSTS[first] + SECONDS[second]


def company(seed: int, number: int) -> Company:
    """The company with this number: the same for a seed, whoever asks and whenever."""
    rng = Random(f"{seed}:company:{number}")
    home = rng.choices(range(len(CITIES)), cum_weights=_CITY_WEIGHTS)[0]
    city = CITIES[home]
    name = _name(seed, number)
    stem = name.lower().replace(" ", "-")
    domain = f"{stem}.{city.tld if rng.random() < 0.7 else 'com'}"
    industry, code, industries = rng.choice(INDUSTRIES)
    low: int | None
    high: int | None
    count: int | None
    band = int(len(EMPLOYEE_BANDS) * rng.random() ** 1.7)
    low, high = EMPLOYEE_BANDS[band]
    count = rng.randint(low, high)
    if (luck := rng.random()) < 0.02:
        count, low, high = 10_001 + rng.randrange(90_000), 10_001, None
    elif luck < 0.08:
        count, low, high = None, None, None
    revenue = f"{city.currency} {count * rng.randint(60_000, 240_000):.1f}" if count and rng.random() < 0.7 else None
    return Company(
        number=number,
        id=uuid_of(rng),
        name=f"{name} {city.legal}",
        domain=domain,
        industry=industry,
        industry_code=code,
        industries=industries,
        employee_count=count,
        employees_min=low,
        employees_max=high,
        revenue=revenue,
        phone=f"{city.dial}{rng.randrange(10**6, 10**7)}" if rng.random() < 0.8 else None,
        linkedin_url=f"https://www.linkedin.com/company/{stem}" if rng.random() < 0.75 else None,
        twitter_handle=stem.replace("-", "") if rng.random() < 0.4 else None,
        facebook_url=f"https://www.facebook.com/{stem}" if rng.random() < 0.35 else None,
        business_id=f"{city.country_code}-{rng.randrange(10**7)}" if rng.random() < 0.5 else None,
        dealfront_id=short_id(f"{seed}:dealfront:{number}", 10),
        location=LOCATIONS[home],
        branch=LOCATIONS[(home + 1 + rng.randrange(len(CITIES) - 1)) % len(CITIES)],
    )


def lead(seed: int, account_id: str, number: int, companies: dict[int, Company]) -> Lead:
    """The lead with this number in an account; `companies` holds those that were met before."""
    is_branch = number % 10 == 9
    place = number - 1 if is_branch else number
    if (known := companies.get(place)) is None:
        known = companies[place] = company(seed, place)
    rng = Random(f"{seed}:{account_id}:lead:{number}")
    location = known.branch if is_branch else known.location
    seller = f"{rng.choice(SELLERS)}@seller.example"
    in_crm = rng.random() < 0.3
    return Lead(
        id=f"{known.id}_{location.id}",
        company=known,
        location=location,
        number=number,
        assignee=seller if rng.random() < 0.25 else None,
        emailed_to=f"{seller},sales@seller.example" if rng.random() < 0.1 else None,
        crm_lead_id=100_000 + number if in_crm else None,
        # an integer, null or "" : all three are in the document's samples
        crm_organization_id=rng.choice((500_000 + place, None, "")) if in_crm else None,
        followed=rng.random() < 0.1,
        tags=rng.sample(TAGS, rng.randint(1, 3)) if rng.random() < 0.3 else [],
        sparse=rng.random() < 0.15,
    )
