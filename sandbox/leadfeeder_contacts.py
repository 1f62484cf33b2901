"""Contacts of the `/v1` API: up to three people of every company, the same ones whoever asks."""

from dataclasses import dataclass
from random import Random

from .companies import Company
from .people import ROLES, Person, person

FIRST_CONTACT = 700_000_000
EACH = 10


@dataclass(frozen=True, slots=True)
class Contact:
    id: str
    company: Company
    someone: Person
    position: str
    phone: str | None

    @property
    def email(self) -> str:
        return f"{self.someone.mailbox}@{self.company.domain}"


def contacts_of(seed: int, company: Company) -> list[Contact]:
    rng = Random(f"{seed}:contacts:{company.number}")
    return [
        Contact(
            id=str(FIRST_CONTACT + company.number * EACH + place),
            company=company,
            someone=person(rng),
            position=rng.choice(ROLES),
            phone=f"{company.phone}{place}" if company.phone and rng.random() < 0.5 else None,
        )
        for place in range(rng.randrange(4))
    ]


def company_number_of(contact_id: str) -> int | None:
    """The number of the company that a contact with this id would work for."""
    if not contact_id.isascii() or not contact_id.isdecimal() or len(contact_id) > 12:
        return None
    return (int(contact_id) - FIRST_CONTACT) // EACH
