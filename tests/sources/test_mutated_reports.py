"""Whatever a report holds, its rows are all read, or a named error says that it is damaged."""

import json
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.clock import Clock
from sources.errors import AnswerError, SourceError
from sources.leadfeeder_legacy import tables
from sources.leadfeeder_legacy.export_requests import ExportRequest
from sources.leadfeeder_legacy.report import Report
from sources.windows import Days

from .test_mutated import DOCUMENTS, ITEMS, mutated, often

DAY = date(2026, 3, 18)
NOW = Clock().now()


def a_report(rows: int = 3) -> dict[str, Any]:
    leads = [f"{n}|place" for n in range(rows)]
    place = {"location": {"data": {"id": "place", "type": "locations"}}}
    return {
        "data": [
            {
                "id": lead,
                "type": "timeline_rows",
                "attributes": {
                    "quality": 3,
                    "keywords": ["a", "b"],
                    "stats": {"bounces": 0, "last_visit": "2026-03-18", "pageviews": 2, "visits": 1},
                },
                "relationships": {"lead": {"data": {"id": lead, "type": "leads"}}},
            }
            for lead in leads
        ],
        "included": [
            *({"id": lead, "type": "leads", "attributes": {"name": lead}, "relationships": place} for lead in leads),
            {"id": "place", "type": "locations", "attributes": {"country": "Finland"}},
        ],
    }


def read(content: bytes, *, crowded: bool) -> tuple[int, dict[str, int]]:
    """How many rows the report says that it has, and how many each table has without its marker."""
    report = Report("6001", "all_leads", DAY, Days(DAY, DAY), crowded=crowded)
    try:
        report.file.write_bytes(content)
        count = report.read()
        found: dict[str, int] = {}
        for table, rows in report.blocks():
            found[table.name] = found.get(table.name, 0) + rows.num_rows
        for table in (tables.REPORT_LEAD_DAYS,) if crowded else (tables.FEED_LEADS, tables.FEED_LEAD_KEYWORDS):
            found[table.name] -= 1
        return count, found
    finally:
        report.discard()


def of_rows(crowded: bool) -> str:
    return (tables.REPORT_LEAD_DAYS if crowded else tables.FEED_LEADS).name


def test_a_whole_report() -> None:
    assert read(orjson.dumps(a_report()), crowded=False) == (
        3,
        {"feed_leads": 3, "feed_lead_keywords": 6, tables.REPORT_LEADS.name: 3, "locations": 1},
    )


@pytest.mark.parametrize("included", [{}, {"included": None}])
def test_a_report_that_includes_nothing(included: dict[str, None]) -> None:
    assert read(orjson.dumps({"data": a_report()["data"], **included}), crowded=False) == (
        3,
        {"feed_leads": 3, "feed_lead_keywords": 6},
    )


@pytest.mark.parametrize("crowded", [False, True])
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=mutated(a_report()) | DOCUMENTS)
def test_mutated(crowded: bool, document: Any) -> None:
    content = json.dumps(document).encode()
    try:
        count, found = read(content, crowded=crowded)
    except SourceError:
        return
    # what is read is all that there is
    assert count == len(document["data"]) == found.get(of_rows(crowded), 0)
    included = document.get("included") or []
    leads = [each for each in included if each.get("type") == "leads"]
    assert found.get(tables.REPORT_LEADS.name, 0) == len(leads)
    assert found.get(tables.LOCATIONS.name, 0) == sum(each.get("type") == "locations" for each in included)


@often
@given(end=st.integers(0, len(orjson.dumps(a_report())) - 1))
def test_cut_anywhere(end: int) -> None:
    with pytest.raises(SourceError):
        read(orjson.dumps(a_report())[:end], crowded=False)


@often
@given(place=st.integers(0, len(orjson.dumps(a_report()))), more=st.binary(min_size=1, max_size=6))
def test_bytes_in_between(place: int, more: bytes) -> None:
    content = orjson.dumps(a_report())
    try:
        count, found = read(content[:place] + more + content[place:], crowded=False)
    except SourceError:
        return
    assert count == found.get("feed_leads", 0)


@often
@given(document=st.fixed_dictionaries({"data": ITEMS}) | DOCUMENTS)
def test_status(document: Any) -> None:
    """An answer about a request is one, with an id and a status that is known, or it is an AnswerError."""
    request = ExportRequest("1", "6001", "all_leads", DAY, DAY, "pending", NOW, NOW)
    try:
        answered = request.answered(document)
    except AnswerError:
        return
    assert answered.id
    assert answered.status in ("pending", "processed", "failed")
