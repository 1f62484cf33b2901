"""People who work for a company of the story: up to three, the same ones whoever asks."""

import zlib
from dataclasses import dataclass

from .companies import Company

FIRST_NAMES = ("Aino", "Bruno", "Chiara", "Dilan", "Elena", "Farid", "Greta", "Henrik", "Ines", "Jonas")
LAST_NAMES = ("Adler", "Bianchi", "Costa", "Dahl", "Eriksen", "Fontaine", "Garcia", "Hakala", "Iyer", "Jansen")
POSITIONS = (
    ("Head of Marketing", "marketing"),
    ("Sales Director", "sales"),
    ("Chief Technology Officer", "engineering"),
)
FIRST_CONTACT = 700_000_000
EACH = 10


@dataclass(frozen=True, slots=True)
class Contact:
    id: str
    company: Company
    first_name: str
    last_name: str
    position: str
    department: str

    @property
    def email(self) -> str:
        return f"{self.first_name}.{self.last_name}@{self.company.domain}".lower()


def contacts_of(company: Company) -> list[Contact]:
    luck = zlib.crc32(company.domain.encode())
    return [
        Contact(
            str(FIRST_CONTACT + company.number * EACH + place),
            company,
            FIRST_NAMES[(luck + 3 * place) % len(FIRST_NAMES)],
            LAST_NAMES[(luck // 10 + place) % len(LAST_NAMES)],
            *POSITIONS[place],
        )
        for place in range(luck % (len(POSITIONS) + 1))
    ]
