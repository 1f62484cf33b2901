"""What must hold of a warehouse that was told the story: its marts, the questions to them, what dbt leaves behind."""

import os
import subprocess
import sys
from collections import Counter
from datetime import date
from typing import Any

import pytest

from pipelines.transform import PASSWORD_VARIABLE, PROJECT, profiles
from tests.reading import Rows

from .conftest import ACCOUNT, CAME, Told
from .oracle import Story, figures
from .project import QUERIES, models

PASSWORD = "not-a-secret"


def stages(told: Told) -> list[tuple[Story, dict[str, Rows]]]:
    """What the story was, and what the marts said: when first built, and later."""
    return [(told.story, told.marts), (told.later_story, told.later)]


def check_every_model_is_built_and_every_test_holds(told: Told) -> None:
    for result in told.results:
        assert result.exit_code == 0, result.as_dict()
        assert {model.model for model in result.models} == {f"marts.{name}" for name in told.marts}
        assert all(model.status == "success" and model.tests and model.rows for model in result.models)


def check_company_days(told: Told) -> None:
    for story, marts in stages(told):
        assert figures(marts["company_days"]) == story.company_days()


def check_visits_and_page_views_come_once(told: Told) -> None:
    for story, marts in stages(told):
        assert Counter(row["visit_id"] for row in marts["visits"]) == Counter(visit.id for _, visit in story.visits)
        viewed = Counter((row["visit_id"], row["position"]) for row in marts["page_views"])
        assert viewed == Counter((visit.id, n) for _, visit in story.visits for n in range(len(visit.route)))
        entrances = {row["visit_id"]: row["page_path"] for row in marts["page_views"] if row["is_entrance"]}
        assert entrances == {visit.id: visit.route[0][0].partition("?")[0] for _, visit in story.visits}
        exits = {row["visit_id"]: row["page_path"] for row in marts["page_views"] if row["is_exit"]}
        assert exits == {visit.id: visit.route[-1][0].partition("?")[0] for _, visit in story.visits}


def check_pages_and_traffic(told: Told) -> None:
    for story, marts in stages(told):
        assert {(row["account_id"], row["page_path"]): row["page_views"] for row in marts["pages"]} == story.pages()
        traffic: Counter[tuple[str, str, str | None]] = Counter()
        for row in marts["traffic_sources"]:
            campaign = None if row["campaign"] == "(none)" else row["campaign"]
            traffic[row["account_id"], row["traffic_source"], campaign] += row["visits"]
        assert traffic == story.traffic()


def check_companies_and_the_crm(told: Told) -> None:
    for story, marts in stages(told):
        companies = {row["company_id"]: row for row in marts["companies"]}
        assert len(companies) == len(marts["companies"])
        for domain, known in story.crm.items():
            row = companies[domain]
            assert (row["crm_accounts"], row["crm_leads"], row["crm_since"]) == (
                known.accounts,
                known.leads,
                known.since,
            )
        assert {name for name, row in companies.items() if row["in_crm"] and row["domain"]} == {*story.crm}
        assert {
            row["company_id"]: (row["situation"], row["visits"]) for row in marts["web_to_crm"]
        } == story.web_to_crm()
        assert {row["situation"] for row in marts["web_to_crm"]} == {"not_in_crm", "in_crm_and_back"}
        assert {row["matched_by"] for row in marts["companies"]} >= {"domain", "name", "single"}


def check_a_company_that_is_found_to_be_another_takes_its_old_visits_along(told: Told) -> None:
    assert {row["company_id"] for row in told.marts["visits"]} - {row["company_id"] for row in told.later["visits"]}
    assert CAME in {row["company_id"] for row in told.later["visits"]}


def check_the_funnel(told: Told) -> None:
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


def check_access_health(told: Told) -> None:
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


def check_freshness(told: Told) -> None:
    rows = {(row["vendor"], row["account_id"], row["stream"]): row for row in told.later["freshness"]}
    visits = rows["leadfeeder_legacy", "6001", "visits"]
    assert visits["loaded_until"] == told.house.clock.now().date()
    assert (visits["runs"], visits["last_run_status"], visits["incomplete_days"]) == (3, "ok", 0)
    assert {vendor for vendor, _, _ in rows} == {"leadfeeder", "leadfeeder_legacy", "leadsie", "leedo"}
    assert rows["leedo", "", "leads"]["loaded_until"] is None


def check_feeds(told: Told) -> None:
    """What the report of all leads says is what the days add up to; an account's month comes from one API."""
    assert {row["source"] for row in told.later["feed_companies"]} == {"leadfeeder_legacy"}
    for rows, story in ((told.marts, told.story), (told.later, told.later_story)):
        reported: Counter[tuple[str, str]] = Counter()
        for row in rows["feed_companies"]:
            if row["custom_feed_id"] == "all_leads" and row["window_start"].month == story.sandbox.world.today.month:
                reported[row["account_id"], row["company_id"]] += row["visits"]
        days: Counter[tuple[str, str]] = Counter()
        for (account, company, day), each in story.company_days().items():
            if date.fromisoformat(day).month == story.sandbox.world.today.month:
                days[account, company] += each.visits
        assert reported == days


def check_without_news_the_marts_say_the_same(told: Told) -> None:
    """That nothing is written then, is seen where they are told."""
    assert told.again == told.later


def check_only_days_that_changed_are_rebuilt(told: Told) -> None:
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


def check_the_answers_are_the_storys(told: Told) -> None:
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


def check_what_dbt_leaves_holds_no_secret(told: Told) -> None:
    with told.house.at_home() as warehouse:
        left = [path for path in (warehouse.working_dir / "dbt").rglob("*") if path.is_file()]
    assert "dbt.log" in {path.name for path in left}
    for path in left:
        assert PASSWORD.encode() not in path.read_bytes(), path
    # nothing beside the project
    assert {path.name for path in PROJECT.iterdir()} == {"dbt_project.yml", "layers", "macros", "tests"}


def check_the_way_to_the_database_is_told_without_its_password(told: Told) -> None:
    with told.house.at_home() as warehouse, profiles(warehouse) as folder:
        (file,) = folder.iterdir()
        assert PASSWORD not in file.read_text(encoding="utf-8")
        assert os.environ[PASSWORD_VARIABLE] == (PASSWORD if warehouse.name == "postgres" else "")
    assert not folder.exists()
    assert PASSWORD_VARIABLE not in os.environ


def check_every_model_and_every_column_is_described(told: Told) -> None:
    for layer in ("staging", "marts"):
        described = models(layer)
        assert {path.stem for path in (PROJECT / "layers" / layer).glob("*.sql")} == set(described)
        rows = told.house.query(
            f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{layer}'"
        )
        there: dict[str, set[str]] = {}
        for row in rows:
            there.setdefault(row["table_name"], set()).add(row["column_name"])
        assert set(there) == set(described)
        for name, model in described.items():
            assert model["description"]
            columns: dict[str, str] = {each["name"]: each["description"] for each in model["columns"]}  # type: ignore[attr-defined]
            assert set(columns) == there[name], name
            assert all(columns.values()), name


def check_the_warehouse_is_nobodys_afterwards(told: Told) -> None:
    if told.house.destination == "postgres":
        assert told.house.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'dbt'") == []
        return
    opened = f"import duckdb; duckdb.connect({str(told.house.folder / 'house.duckdb')!r}).close()"
    subprocess.run([sys.executable, "-c", opened], check=True, capture_output=True, timeout=60)


def check_every_question_is_answered(told: Told) -> None:
    with told.house.at_home() as warehouse, warehouse.open():
        answers = {question: warehouse.records(query) for question, query in QUERIES.items()}
    for question, rows in answers.items():
        assert rows, question
        # a column that is never filled answers nothing
        for name in rows[0]:
            assert any(row[name] is not None for row in rows), (question, name)


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]


def test_a_warehouse_that_was_told_the_story(told: Told, subtests: pytest.Subtests) -> None:
    """One test for all of it: it takes a while to tell."""
    assert CHECKS
    for check in CHECKS:
        with subtests.test(check.__name__):
            check(told)
