"""docs/queries.md: each question has an answer, in either database."""

import re

import pytest

from tests.docs.pages import blocks, text

from .conftest import Told

PAGE = "docs/queries.md"
QUERIES = dict(re.findall(r"^## (.+?)\n\n```sql\n(.*?)^```$", text(PAGE), re.MULTILINE | re.DOTALL))


def test_there_are_a_dozen_questions_and_each_has_its_query() -> None:
    assert len(QUERIES) >= 12
    assert [*QUERIES] == re.findall(r"^## (.+)$", text(PAGE), re.MULTILINE)
    assert [*QUERIES.values()] == blocks(PAGE, "sql")


@pytest.mark.parametrize("question", [*QUERIES])
def test_a_question_is_answered(told: Told, question: str) -> None:
    rows = told.house.query(QUERIES[question])
    assert rows
    # a column that is never filled answers nothing
    for name in rows[0]:
        assert any(row[name] is not None for row in rows), name


def test_the_answers_are_the_storys(told: Told) -> None:
    """Two of them, counted by hand."""
    story = told.later_story
    (best, *_) = told.house.query(QUERIES["Which sources and campaigns bring companies, and how deep do they go?"])
    channels = [visit.channel for _, visit in story.visits]
    mine = [c for c in channels if (c.source, c.medium) == (best["traffic_source"], best["medium"])]
    mine = [c for c in mine if (c.campaign or "(none)") == best["campaign"]]
    assert best["visits"] == len(mine)
    mine_pages = [len(v.route) for _, v in story.visits if v.channel in mine]
    assert float(best["pages_per_visit"]) == pytest.approx(sum(mine_pages) / len(mine_pages), abs=0.06)
    standing = told.house.query(QUERIES["Where do leads stand now, and how many of their companies visited?"])
    assert {row["status"]: row["leads"] for row in standing} == {
        status: [*story.statuses.values()].count(status) for status in set(story.statuses.values())
    }
