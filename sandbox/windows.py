"""A window: the visits of an account between two days, and what they add up to for each lead."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from .companies import Lead
from .feeds import Feed
from .visits import Visit


@dataclass(slots=True)
class Figures:
    """One lead in one window. Dates are the account's."""

    lead: Lead
    visits: list[Visit] = field(default_factory=list)

    @property
    def last_visit(self) -> Visit:
        return self.visits[0]

    @property
    def first_visit(self) -> Visit:
        return self.visits[-1]

    @property
    def pageviews(self) -> int:
        return sum(len(visit.route) for visit in self.visits)

    @property
    def bounces(self) -> int:
        return sum(len(visit.route) == 1 for visit in self.visits)

    @property
    def keywords(self) -> list[str]:
        return sorted({visit.keyword for visit in self.visits if visit.keyword})

    @property
    def quality(self) -> int:
        """0–10, from this window's visits alone. The vendor's formula is not published: this one is ours."""
        return min(10, (self.pageviews + 2 * len(self.visits)) // 3)


class Window:
    """Visits come newest first, leads by their newest visit."""

    def __init__(self, visits: Iterable[Visit]) -> None:
        self.visits = sorted(visits, key=lambda visit: (-visit.started, visit.id))
        self._feeds: dict[str, list[Figures]] = {}

    @cached_property
    def by_lead(self) -> dict[str, Figures]:
        leads: dict[str, Figures] = {}
        for visit in self.visits:
            if (figures := leads.get(visit.lead.id)) is None:
                figures = leads[visit.lead.id] = Figures(visit.lead)
            figures.visits.append(visit)
        return leads

    @cached_property
    def leads(self) -> list[Figures]:
        return list(self.by_lead.values())

    def of_feed(self, feed: Feed) -> list[Figures]:
        if not feed.criteria:
            return self.leads
        if feed.id not in self._feeds:
            self._feeds[feed.id] = [each for each in self.leads if feed.matches(each.lead, each.visits)]
        return self._feeds[feed.id]
