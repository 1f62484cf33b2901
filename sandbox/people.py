"""The people of the story's companies: names, and the mailboxes and phone numbers they are reached by."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random

from .companies import Company
from .world import World

FIRST_NAMES = (
    "Anna", "Björn", "Carmen", "Daniel", "Eeva", "Farid", "Giulia", "Hugo", "Ines", "Jonas", "Karin", "Luca", "Maja",
    "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Sami", "Tereza", "Uwe", "Vera", "Wanda", "Xavier", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Andersson", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Huber", "Ivanova", "Jansen", "Kowalski",
    "Lehtonen", "Müller", "Nair", "O'Neill", "Peeters", "Quinn", "Rossi", "Schmidt", "Taylor", "Virtanen", "Weber",
)  # fmt: skip
ROLES = ("CEO", "Head of Marketing", "Sales Manager", "Product Manager", "CTO", "Procurement", "Growth Lead", "Analyst")
FREE_MAIL = "freemail.example"
# the companies that the CRM and the grants draw from: the more frequent visitors
KNOWN = 400


@dataclass(frozen=True, slots=True)
class Person:
    name: str

    @property
    def mailbox(self) -> str:
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        return plain.lower().replace("'", "").replace(" ", ".")


def person(rng: Random) -> Person:
    return Person(f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}")


def numbered_person(number: int) -> Person:
    second, first = divmod(number, len(FIRST_NAMES))
    return Person(f"{FIRST_NAMES[first]} {LAST_NAMES[second % len(LAST_NAMES)]}")


def visitor(rng: Random, world: World) -> Company:
    """A company that visits: some come more often than others, as in visits.py."""
    number = int(KNOWN * rng.random() ** 1.6)
    # every tenth lead is a branch of the one before
    return world.company(number - 1 if number % 10 == 9 else number)


def now(world: World) -> int:
    """Whole epoch seconds; a world with a fixed `today` ends with that day."""
    return min(int(world.clock()), midnight(world.today) + 86_399)


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def office_hour(rng: Random, day: date) -> int:
    return midnight(day) + rng.randrange(7 * 60, 18 * 60) * 60
