"""Custom feeds: named filters on leads, made of criteria as the vendor words them.

A lead is in a feed when every criterion holds for it, or, for an `excluded` one, does not. 0 means "any".
"""

from dataclasses import dataclass
from typing import TypedDict

from .companies import Lead
from .visits import Visit


class Criterion(TypedDict):
    """`search_value` and `display_value` are integers or strings, both in one list."""

    search_value: int | str
    excluded: bool
    criterion_type: str
    display_value: int | str


@dataclass(frozen=True)
class Feed:
    id: str
    name: str
    criteria: tuple[Criterion, ...] = ()

    def matches(self, lead: Lead, visits: list[Visit]) -> bool:
        return all(_holds(each, lead, visits) != each["excluded"] for each in self.criteria)


def criterion(kind: str, value: int | str, display: int | str | None = None, excluded: bool = False) -> Criterion:
    return {
        "search_value": value,
        "excluded": excluded,
        "criterion_type": kind,
        "display_value": value if display is None else display,
    }


def _holds(each: Criterion, lead: Lead, visits: list[Visit]) -> bool:
    kind, value = each["criterion_type"], each["search_value"]
    if kind == "assignee":
        return lead.assignee is not None if value == 0 else lead.assignee == value
    if kind == "pageviews":
        return sum(len(visit.route) for visit in visits) >= int(value)
    if kind == "industry_code":
        return value == 0 or lead.company.industry_code == value
    if kind == "followed":
        return lead.followed
    if kind == "country_code":
        return lead.location.country_code == value
    if kind == "page_url":
        return any(str(value) in path for visit in visits for path, _ in visit.route)
    raise ValueError(f"no such criterion: {kind!r}")


# the feeds of the document's sample, ids included
STANDARD = (
    Feed("all_leads", "All leads"),
    Feed("new_leads", "New leads", (criterion("assignee", 0, "Any assignee", excluded=True),)),
    Feed(
        "recommended_leads",
        "Top leads",
        (
            criterion("pageviews", 3),
            criterion("industry_code", 0, "Any industry"),
            criterion("industry_code", 8, "Telecommunications", excluded=True),
            criterion("assignee", 0, "Any assignee", excluded=True),
        ),
    ),
    Feed("followed_companies", "Followed companies", (criterion("followed", "9999999", "Sample User"),)),
    Feed("9999383", "Canada", (criterion("country_code", "CA", "Canada"),)),
    Feed("999991535", "Blog", (criterion("page_url", "/blog/"),)),
)
