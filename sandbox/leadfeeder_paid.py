"""What can cost credits: search and details of companies and contacts, financials, IP enrichment.

`meta.credits.charged` stands in every answer here. Details cost 1 credit, unless the account has paid for
the record in the last twelve months; a company that visited is free. A company can be gone (404) or merged:
asked for by its old id, it answers with the id of the one it became. Searches have cursors and cost nothing.
"""

import ipaddress
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import leadfeeder_rows as rows
from .companies import Company
from .leadfeeder_answers import Answers, body_of
from .leadfeeder_contacts import Contact, company_number_of, contacts_of
from .vendor import RefusalError
from .windows import Window
from .world import Account

MUTATORS = ("lose_company", "merge_company")
# web_engagement.last_visit_date is this far behind
LAG = timedelta(days=3)


class Paid:
    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.world = answers.world
        self.gone: set[str] = set()
        self.merged: dict[str, str] = {}
        self._visited: dict[str, tuple[Window, dict[int, list[int]]]] = {}

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route("/companies/search", self.company_search, methods=["POST"]),
            Route("/companies/{company_id}", self.one_company),
            Route("/companies/{company_id}/financials", self.financials),
            Route("/contacts/search", self.contact_search, methods=["POST"]),
            Route("/contacts/{contact_id}", self.one_contact),
            Route("/ip/enrich", self.enrich),
        ]

    async def company_search(self, request: Request) -> Response:
        """`search_terms` are looked for in names; `locations` have a `country_code`, a `city`, or both."""
        self.answers.account(request)
        asked = await body_of(request)
        terms, places = _listed(asked, "search_terms"), _listed(asked, "locations")
        if not all(isinstance(place, dict) for place in places):
            raise RefusalError(400, "locations must be objects")
        found = [each for each in self.companies() if _is_named(each, terms) and _is_at(each, places)]
        return self.answers.cursored(request, found, self.summary, credits={"charged": 0})

    def summary(self, company: Company) -> dict[str, Any]:
        """The document's sample."""
        people = contacts_of(self.world.seed, company)
        attributes = {
            "name": company.name,
            "role": "group_member",
            "register": {"status": "active"},
            "meta": {
                "do_not_contact": False,
                "has_phones": company.phone is not None,
                "has_mail": bool(people),
                "has_contacts": bool(people),
            },
        }
        return rows.row("company_summary", rows.company_id(company.number), attributes)

    async def one_company(self, request: Request) -> Response:
        account = self.answers.account(request)
        company = self.company(request.path_params["company_id"])
        charged = self.charge(account, company)
        seen = self.visited(account).get(company.number, [])
        until = (datetime.fromtimestamp(self.world.clock(), UTC) - LAG).timestamp()
        last = next((started for started in seen if started <= until), None)
        attributes = rows.company(company) | {
            "web_engagement": {"last_visit_date": rows.instant(last)[:10] if last is not None else None},
            "meta": {"do_not_contact": False, "num_contacts": len(contacts_of(self.world.seed, company))},
        }
        row = rows.row("company", rows.company_id(company.number), attributes)
        return self.answers.of(row, credits={"charged": charged})

    async def financials(self, request: Request) -> Response:
        account = self.answers.account(request)
        company = self.company(request.path_params["company_id"])
        charged = self.charge(account, company)
        reports = []
        if company.revenue:
            currency, _, amount = company.revenue.partition(" ")
            rng = Random(f"{self.world.seed}:financials:{company.number}")
            last = self.world.first_day.year - 1
            reports = [
                {"year": last - ago, "currency": currency, "revenue": round(float(amount) * rng.uniform(0.7, 1.1))}
                for ago in range(3)
            ]
        row = rows.row("company_financials", rows.company_id(company.number), {"reports": reports})
        return self.answers.of(row, credits={"charged": charged})

    async def contact_search(self, request: Request) -> Response:
        """Of the companies `company_ids`, or of all."""
        self.answers.account(request)
        ids = _listed(await body_of(request), "company_ids")
        wanted = {self.merged.get(str(each), str(each)) for each in ids}
        companies = [each for each in self.companies() if not wanted or rows.company_id(each.number) in wanted]
        found = [contact for each in companies for contact in contacts_of(self.world.seed, each)]
        return self.answers.cursored(request, found, self.contact_summary, credits={"charged": 0})

    def contact_summary(self, contact: Contact) -> dict[str, Any]:
        first, _, last = contact.someone.name.partition(" ")
        masked = {
            "first_name": first,
            "last_name": f"{last[0]}.",
            "position": contact.position,
            "has_email": True,
            "has_phone": contact.phone is not None,
        }
        return rows.row("contact_summary", contact.id, masked, self._employer(contact))

    async def one_contact(self, request: Request) -> Response:
        account = self.answers.account(request)
        contact_id = request.path_params["contact_id"]
        number = company_number_of(contact_id)
        people = contacts_of(self.world.seed, self.company(rows.company_id(number))) if number is not None else []
        if (contact := next((each for each in people if each.id == contact_id), None)) is None:
            raise RefusalError(404)
        charged = self.answers.charge(account, f"contact:{contact_id}")
        first, _, last = contact.someone.name.partition(" ")
        attributes = {
            "first_name": first,
            "last_name": last,
            "position": contact.position,
            "emails": [contact.email],
            "phones": [contact.phone] if contact.phone else [],
        }
        row = rows.row("contact", contact_id, attributes, self._employer(contact))
        return self.answers.of(row, credits={"charged": charged})

    async def enrich(self, request: Request) -> Response:
        """The company behind an address: every second address has one."""
        account = self.answers.account(request)
        try:
            ip = str(ipaddress.ip_address(request.query_params.get("ip", "")))
        except ValueError:
            raise RefusalError(400, "ip must be an IP address") from None
        company = self.company(rows.company_id(zlib.crc32(ip.encode()) % (2 * self._numbers)))
        charged = self.answers.charge(account, f"ip:{ip}", self.answers.options.enrich_price)
        attributes = {"ip": ip, "location": rows.place(company.location)}
        inline = self.answers.related("company", rows.company_id(company.number), rows.company(company))
        row = rows.row("enriched_ip", ip, attributes, {"company": inline})
        return self.answers.of(row, credits={"charged": charged})

    def company(self, company_id: str) -> Company:
        """The company that has this id, or had it before it was merged with another."""
        current = self.merged.get(company_id, company_id)
        number = rows.company_number(current)
        if number is None or not self._is_known(number) or current in self.gone:
            raise RefusalError(404)
        return self.world.company(number)

    def companies(self) -> Iterator[Company]:
        """All that there are, without those that are gone or merged."""
        for number in range(self._numbers):
            if self._is_known(number) and rows.company_id(number) not in self.gone | self.merged.keys():
                yield self.world.company(number)

    def charge(self, account: Account, company: Company) -> int:
        if company.number in self.visited(account):
            return 0
        return self.answers.charge(account, f"company:{company.number}")

    def visited(self, account: Account) -> dict[int, list[int]]:
        """When the companies that the account has seen came, newest first, by their numbers."""
        window = self.world.history(account.id)
        made, seen = self._visited.get(account.id, (None, {}))
        if made is not window:
            seen = {}
            for visit in window.visits:
                seen.setdefault(visit.lead.company.number, []).append(visit.started)
            self._visited[account.id] = (window, seen)
        return seen

    # what tests do

    def lose_company(self, company_id: str) -> None:
        """Whoever asks for the company is told that there is none; its visits still refer to it."""
        self.company(company_id)
        self.gone.add(company_id)

    def merge_company(self, company_id: str, into_id: str) -> None:
        """Whoever asks for the one is answered with the other; visits keep the id that they had."""
        into = rows.company_id(self.company(into_id).number)
        self.company(company_id)
        for old, new in self.merged.items():
            if new == company_id:
                self.merged[old] = into
        self.merged[company_id] = into

    @property
    def _numbers(self) -> int:
        return max(account.first_lead + account.pool for account in self.world.accounts.values())

    def _is_known(self, number: int) -> bool:
        # every tenth lead is a branch of the company before it
        return 0 <= number < self._numbers and number % 10 != 9

    def _employer(self, contact: Contact) -> dict[str, Any]:
        return {"company": self.answers.related("company", rows.company_id(contact.company.number))}


def _listed(asked: dict[str, Any], name: str) -> list[Any]:
    value = asked.get(name, [])
    if not isinstance(value, list):
        raise RefusalError(400, f"{name} must be an array")
    return value


def _is_named(company: Company, terms: list[Any]) -> bool:
    return not terms or any(str(term).lower() in company.name.lower() for term in terms)


def _is_at(company: Company, places: list[dict[str, Any]]) -> bool:
    home = rows.place(company.location)
    return not places or any(all(home.get(name) == value for name, value in place.items()) for place in places)
