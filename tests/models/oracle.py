"""What the marts must say, read from the sandbox's story itself: no SQL, no API, nothing shared with the models."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sandbox import Sandbox
from sandbox.people import FREE_MAIL
from sandbox.visits import Visit
from tests.reading import Rows


@dataclass
class Figures:
    visits: int = 0
    page_views: int = 0
    visit_length: int = 0
    bounces: int = 0

    def add(self, visit: Visit) -> None:
        self.visits += 1
        self.page_views += len(visit.route)
        self.visit_length += sum(seconds for _, seconds in visit.route)
        self.bounces += len(visit.route) == 1


@dataclass
class Crm:
    """What the CRM says of a company, known by its domain."""

    since: datetime
    accounts: int = 0
    leads: int = 0


@dataclass
class Story:
    """The story as it is at one moment; `moved` are companies whose web site the warehouse was told to be another."""

    sandbox: Sandbox
    moved: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = self.sandbox.world
        # copies: a visit can grow later
        self.visits = [(name, replace(visit)) for name in world.accounts for visit in world.history(name).visits]
        self.crm = self._crm()
        self.statuses = {row["id"]: row["status"] for row in self._rows("leads")}
        self.assets = {
            (each.request_url, asset.id): asset.at(int(world.clock())).is_success
            for each in self.sandbox.leadsie.grants.connections()
            for asset in each.assets_at(int(world.clock()))
        }

    def domain(self, visit: Visit) -> str:
        domain = visit.lead.company.domain
        return self.moved.get(domain, domain)

    def company_days(self, *, utc: bool = False) -> dict[tuple[str, str, str], Figures]:
        found: dict[tuple[str, str, str], Figures] = defaultdict(Figures)
        for account, visit in self.visits:
            day = datetime.fromtimestamp(visit.started, UTC).date().isoformat() if utc else visit.day
            found[account, self.domain(visit), day].add(visit)
        return dict(found)

    def pages(self) -> Counter[tuple[str, str]]:
        return Counter((account, path.partition("?")[0]) for account, visit in self.visits for path, _ in visit.route)

    def traffic(self) -> Counter[tuple[str, str, str | None]]:
        return Counter((account, visit.channel.source, visit.channel.campaign) for account, visit in self.visits)

    def web_to_crm(self) -> dict[str, tuple[str, int]]:
        """Situation and number of visits that count, by domain."""
        found: Counter[tuple[str, str]] = Counter()
        for _, visit in self.visits:
            known = self.crm.get(self.domain(visit))
            if known is None:
                found[self.domain(visit), "not_in_crm"] += 1
            elif datetime.fromtimestamp(visit.started, UTC) > known.since:
                found[self.domain(visit), "in_crm_and_back"] += 1
        return {domain: (situation, visits) for (domain, situation), visits in found.items()}

    def _rows(self, kind: Any) -> list[dict[str, Any]]:
        crm = self.sandbox.leedo.crm
        return [crm.show(entry) for entry in crm.listed(kind, "oldest")]

    def _crm(self) -> dict[str, Crm]:
        accounts, leads = self._rows("accounts"), self._rows("leads")
        # the first word of a company's name is its own
        names = {visit.lead.company.name.split()[0].lower(): self.domain(visit) for _, visit in self.visits}
        names |= {row["name"].split()[0].lower(): row["website"].removeprefix("https://") for row in accounts}
        found: dict[str, Crm] = {}
        for kind, rows in (("accounts", accounts), ("leads", leads)):
            for row in rows:
                domain = row["website"].removeprefix("https://") if kind == "accounts" else row["email"].split("@")[1]
                if domain == FREE_MAIL:
                    domain = names.get((row["company"] or "").partition(" ")[0].lower(), "")
                created = datetime.fromisoformat(row["created_at"])
                known = found.setdefault(domain, Crm(created))
                known.since = min(known.since, created)
                setattr(known, kind, getattr(known, kind) + 1)
        found.pop("", None)
        return found


def figures(rows: Rows) -> dict[tuple[str, str, str], Figures]:
    """Rows of `company_days` in the form that a story has."""
    return {
        (row["account_id"], row["company_id"], row["visit_date"].isoformat()): Figures(
            row["visits"], row["page_views"], row["visit_length"], row["bounces"]
        )
        for row in rows
    }
