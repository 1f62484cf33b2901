"""The marts of both databases, held to the story itself: when first built, and after visits came late and vanished."""

from collections import Counter
from typing import Any

import pytest

from tests.reading import Rows

from .conftest import ACCOUNT, CAME, Told
from .oracle import Figures, Story


@pytest.fixture(params=["first", "later"])
def stage(request: pytest.FixtureRequest, told: Told) -> tuple[Story, dict[str, Rows]]:
    """What the story was at each stage, and what the marts said."""
    return (told.story, told.marts) if request.param == "first" else (told.later_story, told.later)


def figures(rows: Rows) -> dict[tuple[str, str, str], Figures]:
    return {
        (row["account_id"], row["company_id"], row["visit_date"].isoformat()): Figures(
            row["visits"], row["page_views"], row["visit_length"], row["bounces"]
        )
        for row in rows
    }


def test_every_model_is_built_and_every_test_holds(told: Told) -> None:
    for result in told.results:
        assert result.exit_code == 0, result.as_dict()
        assert {model.model for model in result.models} == {f"marts.{name}" for name in told.marts}
        assert all(model.status == "success" and model.tests and model.rows for model in result.models)


def test_company_days(stage: tuple[Story, dict[str, Rows]]) -> None:
    story, marts = stage
    assert figures(marts["company_days"]) == story.company_days()


def test_visits_and_page_views_come_once(stage: tuple[Story, dict[str, Rows]]) -> None:
    story, marts = stage
    assert Counter(row["visit_id"] for row in marts["visits"]) == Counter(visit.id for _, visit in story.visits)
    viewed = Counter((row["visit_id"], row["position"]) for row in marts["page_views"])
    assert viewed == Counter((visit.id, n) for _, visit in story.visits for n in range(len(visit.route)))
    entrances = {row["visit_id"]: row["page_path"] for row in marts["page_views"] if row["is_entrance"]}
    assert entrances == {visit.id: visit.route[0][0].partition("?")[0] for _, visit in story.visits}
    exits = {row["visit_id"]: row["page_path"] for row in marts["page_views"] if row["is_exit"]}
    assert exits == {visit.id: visit.route[-1][0].partition("?")[0] for _, visit in story.visits}


def test_pages_and_traffic(stage: tuple[Story, dict[str, Rows]]) -> None:
    story, marts = stage
    assert {(row["account_id"], row["page_path"]): row["page_views"] for row in marts["pages"]} == story.pages()
    traffic: Counter[tuple[str, str, str | None]] = Counter()
    for row in marts["traffic_sources"]:
        campaign = None if row["campaign"] == "(none)" else row["campaign"]
        traffic[row["account_id"], row["traffic_source"], campaign] += row["visits"]
    assert traffic == story.traffic()


def test_companies_and_the_crm(stage: tuple[Story, dict[str, Rows]]) -> None:
    story, marts = stage
    companies = {row["company_id"]: row for row in marts["companies"]}
    assert len(companies) == len(marts["companies"])
    for domain, known in story.crm.items():
        row = companies[domain]
        assert (row["crm_accounts"], row["crm_leads"], row["crm_since"]) == (known.accounts, known.leads, known.since)
    assert {name for name, row in companies.items() if row["in_crm"] and row["domain"]} == {*story.crm}
    assert {row["company_id"]: (row["situation"], row["visits"]) for row in marts["web_to_crm"]} == story.web_to_crm()
    assert {row["situation"] for row in marts["web_to_crm"]} == {"not_in_crm", "in_crm_and_back"}
    assert {row["matched_by"] for row in marts["companies"]} >= {"domain", "name", "single"}


def test_a_company_that_is_found_to_be_another_takes_its_old_visits_along(told: Told) -> None:
    assert {row["company_id"] for row in told.marts["visits"]} - {row["company_id"] for row in told.later["visits"]}
    assert CAME in {row["company_id"] for row in told.later["visits"]}


def test_the_funnel(told: Told) -> None:
    """The first sync sees statuses, the second one what has become of them."""
    first = {row["lead_id"]: row["to_status"] for row in told.marts["crm_funnel"]}
    assert first == told.story.statuses
    expected: set[tuple[str, int, str | None, str]] = {
        (lead, 1, None, told.story.statuses.get(lead, status)) for lead, status in told.later_story.statuses.items()
    }
    moved = {
        (lead, 2, told.story.statuses[lead], status)
        for lead, status in told.later_story.statuses.items()
        if told.story.statuses.get(lead, status) != status
    }
    assert moved
    rows = told.later["crm_funnel"]
    assert {(row["lead_id"], row["step"], row["from_status"], row["to_status"]) for row in rows} == expected | moved
    assert {row["lead_id"]: row["to_status"] for row in rows if row["is_current"]} == told.later_story.statuses
    assert {row["hours_before"] for row in rows if row["step"] == 2} == {24}


def test_access_health(told: Told) -> None:
    def health(rows: Rows) -> dict[tuple[str, str], Any]:
        return {(row["request_url"], row["asset_id"]): row for row in rows}

    first = health(told.marts["access_health"])
    assert {key: row["health"] for key, row in first.items()} == {
        key: "granted" if granted else "failed" for key, granted in told.story.assets.items()
    }
    assert {row["company_id"] for row in first.values() if row["custom_user_id"] == row["company_id"]} != {None}
    later = health(told.later["access_health"])
    assert {key for key, row in later.items() if row["health"] != "gone"} == {*told.later_story.assets}
    for key, granted in told.later_story.assets.items():
        row, was = later[key], told.story.assets.get(key)
        assert row["health"] == ("granted" if granted else "broken" if was else "failed")
        assert (row["failing_since"] is None) == granted
    broken = [row for row in later.values() if row["asset_id"] == told.changed["broken"]]
    assert {row["health"] for row in broken} == {"broken"}
    assert {row["failing_since"].date() for row in broken} == {told.house.clock.now().date()}
    assert {row["health"] for row in later.values() if row["asset_id"] == told.changed["granted"]} == {"granted"}
    gone = [row for row in later.values() if row["request_url"] == told.changed["gone"]]
    assert gone
    assert all(row["health"] == "gone" and row["gone_at"] for row in gone)


def test_freshness(told: Told) -> None:
    rows = {(row["vendor"], row["account_id"], row["stream"]): row for row in told.later["freshness"]}
    visits = rows["leadfeeder_legacy", "6001", "visits"]
    assert visits["loaded_until"] == told.house.clock.now().date()
    assert (visits["runs"], visits["last_run_status"], visits["incomplete_days"]) == (3, "ok", 0)
    assert {vendor for vendor, _, _ in rows} == {"leadfeeder", "leadfeeder_legacy", "leadsie", "leedo"}
    assert rows["leedo", "", "leads"]["loaded_until"] is None


def test_feeds(told: Told) -> None:
    """What the report of all leads says is what the days add up to; an account's month comes from one API."""
    assert {row["source"] for row in told.later["feed_companies"]} == {"leadfeeder_legacy"}
    for rows, story in ((told.marts, told.story), (told.later, told.later_story)):
        reported: Counter[tuple[str, str]] = Counter()
        for row in rows["feed_companies"]:
            if row["custom_feed_id"] == "all_leads" and row["window_start"].month == story.sandbox.world.today.month:
                reported[row["account_id"], row["company_id"]] += row["visits"]
        days: Counter[tuple[str, str]] = Counter()
        for (account, company, _), each in story.company_days().items():
            days[account, company] += each.visits
        assert reported == days


def test_a_run_without_news_writes_nothing(told: Told) -> None:
    """The order in which rows were written is compared where they are told."""
    assert told.again == told.later


def test_only_days_that_changed_are_rebuilt(told: Told) -> None:
    """The others lie where they lay, and what was written anew lies behind them."""
    days = {row["visit_id"]: row["visit_date"] for row in told.later["visits"]}
    kept = {visit for visit in told.before if visit in days and days[visit] not in told.touched}
    assert kept
    assert [v for v in told.after if v in kept] == [v for v in told.before if v in kept]
    rebuilt = {row["visit_id"] for row in told.later["visits"] if row["account_id"] == ACCOUNT} & {
        visit for visit, day in days.items() if day in told.rebuilt_days
    }
    place = {visit: number for number, visit in enumerate(told.after)}
    assert max(map(place.__getitem__, kept)) < min(map(place.__getitem__, rebuilt))


def test_a_full_rebuild_says_the_same(told: Told) -> None:
    assert told.rebuilt == told.later
