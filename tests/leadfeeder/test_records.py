"""What can cost credits: who is asked for, how often, and what a budget leaves; streams whose path a setting gives."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipelines.sync import Summary
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sandbox.leadfeeder_contacts import contacts_of
from sources import runs
from sources.errors import SettingError
from sources.leadfeeder.api import Api
from sources.windows import Days
from tests.conftest import FakeClock
from tests.reading import Rows, rows_of

from .conftest import START, TODAY, VENDOR, Run, Serve, results, setting

pytestmark = pytest.mark.parametrize("destination", ["duckdb"])

Rows_of = Callable[[str], Rows]
PATHS = {
    "custom_feed_folders": "/feeds/folders",
    "tracking_scripts": "/tracker",
    "custom_fields": "/fields",
    "industries": "/reference/industries",
    "nace_codes": "/reference/nace",
}


@pytest.fixture
def sandbox(serve: Serve, clock: FakeClock) -> Sandbox:
    return serve(World(days=6, accounts=1, visits_per_day=6, clock=clock.epoch), limits=False)


@pytest.fixture
def rows(warehouse: Warehouse) -> Rows_of:
    return lambda table: rows_of(warehouse, VENDOR, table)


def load(run: Run, *names: str, expect: int = 0) -> Summary:
    return run(expect=expect, streams=frozenset({"visits", *names}))


def visitors(rows: Rows_of) -> set[str]:
    return {row["company_id"] for row in rows("visits")}


def seen_by(sandbox: Sandbox) -> list[str]:
    """The companies that will be found in visits."""
    numbers = {visit.lead.company.number for visit in sandbox.world.history("6001").visits}
    return [str(159_000_000 + number) for number in sorted(numbers)]


def by_id(found: Rows, key: str = "id") -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in found}


def test_the_companies_of_the_visits_are_asked_for_once(
    sandbox: Sandbox, run: Run, rows: Rows_of, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, companies=True, company_financials=True, credit_budget=100, company_max_age="6d")
    summary = load(run, "companies", "company_financials")
    known = visitors(rows)
    assert set(by_id(rows("companies"))) == known
    assert set(by_id(rows("company_financials"), "company_id")) == known
    assert all(row["name"] and row["url"] and not row["gone_at"] for row in rows("companies"))
    # what is inside the subscription costs nothing, and is counted all the same
    assert results(summary)["companies", "6001"].credits_charged == 0
    assert sandbox.requests.count("/companies/*") == 2 * len(known)

    clock.move(timedelta(days=4))
    load(run, "companies", "company_financials")
    newer = visitors(rows) - known
    assert sandbox.requests.count("/companies/*") == 2 * len(known | newer)
    before = {row["id"]: row["read_at"] for row in rows("companies")}

    clock.move(timedelta(days=2))
    load(run, "companies")
    again = {row["id"] for row in rows("companies") if row["read_at"] != before.get(row["id"])}
    assert again == known | (visitors(rows) - set(before))


def test_a_company_that_is_gone_is_marked_and_keeps_what_was_known(
    sandbox: Sandbox, run: Run, rows: Rows_of, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, companies=True, credit_budget=1, company_max_age="1h")
    lost, new = seen_by(sandbox)[:2]
    sandbox.leadfeeder.paid.lose_company(new)
    load(run, "companies")
    told = by_id(rows("companies"))
    assert told[new]["gone_at"] is not None
    assert told[new]["name"] is None
    assert told[lost]["gone_at"] is None

    sandbox.leadfeeder.paid.lose_company(lost)
    clock.move(timedelta(hours=2))
    load(run, "companies")
    marked = by_id(rows("companies"))
    assert marked[lost]["name"] == told[lost]["name"] is not None
    assert marked[lost]["gone_at"] > told[new]["gone_at"] == marked[new]["gone_at"]
    assert by_id(rows("gone_companies"))[new]["gone_at"] == told[new]["gone_at"]

    sandbox.leadfeeder.paid.gone.clear()
    clock.move(timedelta(hours=2))
    load(run, "companies")
    assert [row for row in rows("companies") if row["gone_at"] or not row["name"]] == []


def test_a_company_that_was_merged_leaves_both_ids(
    sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, companies=True, credit_budget=1)
    old, *others = seen_by(sandbox)
    known = {str(159_000_000 + company.number) for company in sandbox.leadfeeder.paid.companies()}
    into = max(known.difference(others))
    sandbox.leadfeeder.paid.merge_company(old, into)
    load(run, "companies")
    aliases = rows("company_aliases")
    assert [(row["account_id"], row["asked_id"], row["company_id"]) for row in aliases] == [("6001", old, into)]
    assert into in by_id(rows("companies"))
    assert old not in by_id(rows("companies"))
    asked = sandbox.requests.count(f"/companies/{old}")
    load(run, "companies")
    assert sandbox.requests.count(f"/companies/{old}") == asked == 1


def test_the_budget_is_never_passed_and_the_rest_is_the_next_runs(
    sandbox: Sandbox, run: Run, rows: Rows_of, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, contacts=True, credit_budget=31)
    asked = 0
    for number in range(1, 20):
        summary = load(run, "contacts")
        lane = results(summary)["contacts", "6001"]
        assert lane.credits_charged in (None, *range(32))
        assert sandbox.leadfeeder.answers.used.get("6001", 0) == len(rows("contacts")) <= 31 * number
        sum_of = warehouse.query("SELECT sum(credits_charged) FROM ops.runs WHERE stream = 'contacts'")
        assert sum_of == [(len(rows("contacts")),)]
        assert asked <= (asked := sandbox.requests.count("/contacts/[0-9]*"))
        if not lane.notes:
            break
        assert lane.status == "ok"
        assert any("are left to the next run: credit_budget is used up" in note for note in lane.notes)
    else:
        pytest.fail("the contacts never came to an end")
    # each contact once, and of the visitors' companies only
    companies = {visit.lead.company for visit in sandbox.world.history("6001").visits}
    people = {contact.id for company in companies for contact in contacts_of(sandbox.world.seed, company)}
    assert set(by_id(rows("contacts"))) == people
    assert asked == len(rows("contacts")) > 31
    assert {row["company_id"] for row in rows("contacts")} <= visitors(rows)
    assert set(by_id(rows("contact_searches"), "company_id")) == visitors(rows)
    load(run, "contacts")
    assert sandbox.requests.count("/contacts/[0-9]*") == asked


def test_contacts_are_personal_data(sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, contacts=True, credit_budget=100, pii="hash", pii_key="a long random text")
    load(run, "contacts")
    told = str(rows("contacts"))
    assert rows("contacts")
    assert all(len(row["first_name"]) == 64 for row in rows("contacts"))
    assert "@" not in told
    assert "+" not in told.replace("+00:00", "")


@pytest.mark.parametrize("name", ["companies", "company_financials", "contacts"])
def test_what_can_cost_needs_a_budget(sandbox: Sandbox, run: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, **{name: True})
    with pytest.raises(SettingError, match=rf"{name} can cost credits, and sources\.leadfeeder\.credit_budget is 0"):
        run()
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("name", ["companies", "industries"])
def test_what_is_off_says_what_turns_it_on(sandbox: Sandbox, run: Run, name: str) -> None:
    with pytest.raises(SettingError, match=rf"{name} is off; set sources\.leadfeeder\.{name}\w* to turn it on"):
        load(run, name)


def test_a_record_that_fails_does_not_stop_the_others(
    sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, companies=True, credit_budget=1)
    ill = seen_by(sandbox)[0]
    sandbox.faults.add("status", status=500, path=f"/companies/{ill}", times=None)
    lane = results(load(run, "companies", expect=1))["companies", "6001"]
    assert lane.status == "failed"
    assert f"/companies/{ill} answered 500" in (lane.error or "")
    assert set(by_id(rows("companies"))) == visitors(rows) - {ill}
    sandbox.faults.clear()
    load(run, "companies")
    assert set(by_id(rows("companies"))) == visitors(rows)


def test_an_outage_is_given_up_and_what_came_is_kept(
    sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, companies=True, credit_budget=100)
    for ill in seen_by(sandbox)[:3]:
        sandbox.faults.add("status", status=500, path=f"/companies/{ill}", times=None)
    load(run, "companies", expect=1)
    assert 0 < len(rows("companies")) < len(visitors(rows))


def test_credits_that_are_used_up_at_the_vendor_skip_the_stream(
    sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, contacts=True, credit_budget=100)
    sandbox.leadfeeder.options.credits["6001"] = 2
    lane = results(load(run, "contacts"))["contacts", "6001"]
    assert lane.status == "skipped"
    assert "insufficient_credits" in (lane.error or "")
    assert len(rows("contacts")) == lane.credits_charged == 2


def test_a_price_that_is_higher_than_documented(
    sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, companies=True, credit_budget=7)
    told = Api._read

    def dear(api: Api, document: Any, meter: Any, price: int = 0) -> Any:
        if price:
            document["meta"]["credits"] = {"charged": 3}
        return told(api, document, meter, price)

    monkeypatch.setattr(Api, "_read", dear)
    lane = results(load(run, "companies"))["companies", "6001"]
    assert (len(rows("companies")), lane.credits_charged) == (2, 6)


def test_records_come_in_pieces_after_the_visits(
    sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a piece has read is committed before the next one is begun; all visits are known by then."""
    setting(monkeypatch, companies=True, credit_budget=1)
    lead = sandbox.world.history("6001").visits[0].lead.id
    for day in Days(START, TODAY):
        sandbox.world.add_visits("6001", day, 30, lead_id=lead)
    sandbox.leadfeeder.options.ceiling = 100
    monkeypatch.setattr(runs, "BLOCK", 1)
    monkeypatch.setattr(runs, "PIECE", timedelta(seconds=4))
    load(run, "companies")
    assert set(by_id(rows("companies"))) == visitors(rows)
    assert len({row["read_at"] for row in rows("companies")}) > 1


def test_addresses_are_looked_up_once(
    sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [f"203.0.113.{number}" for number in range(6)]
    setting(monkeypatch, enrich_ips=",".join(addresses), credit_budget=10)
    summary = run(streams=frozenset({"ip_enrichment"}))
    assert set(by_id(rows("ip_enrichment"), "ip")) == set(addresses)
    found = [row for row in rows("ip_enrichment") if row["company_id"]]
    assert 0 < len(found) == results(summary)["ip_enrichment", "6001"].credits_charged
    run(streams=frozenset({"ip_enrichment"}))
    assert sandbox.requests.count("/ip/enrich") == len(addresses)


def test_streams_whose_path_is_set(sandbox: Sandbox, run: Run, rows: Rows_of, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"tracking_scripts": "tracker_script"}
    sandbox.leadfeeder.options.paths = {names.get(name, name): path for name, path in PATHS.items()}
    setting(monkeypatch, **{f"{name}_path": path for name, path in PATHS.items()})
    run(streams=frozenset(PATHS))
    assert {row["name"] for row in rows("custom_feed_folders")} == {"Regions", "Content"}
    assert [(row["account_id"], row["script_html"][:7]) for row in rows("tracking_scripts")] == [("6001", "<script")]
    assert len(rows("custom_fields")) == 3
    assert "account_id" not in rows("industries")[0]
    assert by_id(rows("nace_codes"))["62.01"]["description"] == "Computer programming activities"


def test_a_path_that_is_not_there_is_skipped(
    sandbox: Sandbox, run: Run, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, industries_path="/nowhere", custom_fields_path="/nowhere/else")
    told = results(run(streams=frozenset({"industries", "custom_fields", "tags"})))
    assert told["tags", "6001"].status == "ok"
    for name, account, path in (("industries", None, "/nowhere"), ("custom_fields", "6001", "/nowhere/else")):
        assert told[name, account].status == "skipped"
        words = f"path {path} is not available; set sources.leadfeeder.{name}_path"
        assert words in (told[name, account].error or "")
