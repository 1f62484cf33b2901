"""`leadhouse verify`: whatever a sync has not seen yet is named, and nothing is written."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from pipelines.sync import sync
from pipelines.vendors import VENDORS
from pipelines.verify import Verified, verify
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.errors import SettingError
from sources.streams import Asked
from sources.windows import Days
from tests.conftest import NOW, FakeClock, on_duckdb
from tests.reading import dump

TODAY = NOW.date()
START = TODAY - timedelta(days=5)
DAYS = Days(TODAY - timedelta(days=3), TODAY - timedelta(days=2))
DAY = DAYS.first

Serve = Callable[..., Sandbox]


@pytest.fixture
def vendors(serve: Serve, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    for name in VENDORS:
        monkeypatch.setenv(f"SOURCES__{name.upper()}__START_DATE", START.isoformat())
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", "[]")
    world = World(days=6, accounts=2, visits_per_day=5, clock=clock.epoch)
    return serve(world, limits=False)


@pytest.fixture
def load(warehouse: Warehouse, clock: FakeClock) -> Callable[[str], None]:
    def once(vendor: str) -> None:
        summary = sync(Warehouse(warehouse.name, clock=clock), vendors=[vendor], clock=clock)
        assert summary.exit_code == 0, summary.as_dict()

    return once


@pytest.fixture
def look(warehouse: Warehouse, clock: FakeClock) -> Callable[..., Verified]:
    def once(vendor: str, days: Days = DAYS, **asked: Any) -> Verified:
        again = Warehouse(warehouse.name, clock=clock)
        return verify(again, VENDORS[vendor], asked=Asked(days, **asked), clock=clock)

    return once


def differing(verified: Verified) -> dict[str, int]:
    assert verified.errors == []
    return differing_at_all(verified)


def differing_at_all(verified: Verified) -> dict[str, int]:
    return {table.table: table.differ for table in verified.tables if table.differ}


def move_on(vendors: Sandbox, vendor: str) -> set[str]:
    """Let something happen at the vendor; returns the tables in which it shows."""
    if vendor == "leedo":
        vendors.leedo.crm.remove_crm_rows("leads", 1)
        vendors.leedo.crm.add_crm_rows("contacts", 2)
        return {"leads", "lead_status_history", "contacts"}
    if vendor == "leadsie":
        vendors.leadsie.grants.add_connection(company=0)
        return {"connections", "connection_assets", "connection_status_history"}
    vendors.world.add_visits("6001", DAY, 2)
    own = {"leadfeeder": "visitor_companies", "leadfeeder_legacy": "lead_days"}
    return {"visits", "visit_pages", own[vendor]}


# that they are equal in PostgreSQL as well, all four: tests/faults/test_hostile_names.py
EACH = [("duckdb", vendor) for vendor in VENDORS] + [("postgres", "leadfeeder_legacy")]


@pytest.mark.parametrize(("destination", "vendor"), EACH, indirect=["destination"])
def test_equal_until_something_happens(
    vendor: str, vendors: Sandbox, load: Callable[[str], None], look: Callable[..., Verified]
) -> None:
    load(vendor)
    verified = look(vendor)
    assert differing(verified) == {}
    assert verified.exit_code == 0
    assert {table.table for table in verified.tables if not table.rows} <= {"unfinished_walks"}
    assert set(verified.left_out) == ({"feed_leads"} if vendor == "leadfeeder_legacy" else set())
    assert "feed_leads" not in {table.table for table in verified.tables}
    moved = move_on(vendors, vendor)
    verified = look(vendor)
    assert moved <= set(differing(verified))
    assert verified.exit_code == 1


@on_duckdb
def test_late_vanished_and_changed_visits(
    vendors: Sandbox, warehouse: Warehouse, load: Callable[[str], None], look: Callable[..., Verified]
) -> None:
    load("leadfeeder_legacy")
    before = dump(warehouse, "leadfeeder_legacy")
    tables = ("ops.runs", "leadfeeder_legacy._dlt_loads", "leadfeeder_legacy.export_requests")
    counts = [warehouse.query(f"SELECT count(*) FROM {table}") for table in tables]
    visits = vendors.world.visits("6001", DAY)
    gone, grown = visits[0].id, visits[1].id
    vendors.world.add_visits("6002", DAY, 30)
    vendors.world.remove_visits("6001", DAY, [gone])
    vendors.world.grow_visit("6001", grown)
    # outside of the days that are looked at
    vendors.world.add_visits("6001", START, 3)
    posts = vendors.requests.count("*/export-requests*", method="POST")

    verified = look("leadfeeder_legacy", streams=frozenset({"visits"}))
    assert verified.exit_code == 1
    found = next(table for table in verified.tables if table.table == "visits")
    assert found.differ == 32
    told = {(d.what, d.key["account_id"], d.key["id"]): d.columns for d in found.differences if d.what != "missing"}
    assert sorted(told) == [("changed", "6001", grown), ("extra", "6001", gone)]
    assert {d.key["account_id"] for d in found.differences if d.what == "missing"} == {"6002"}
    ours, theirs = told["changed", "6001", grown]["page_depth"]
    assert int(str(ours)) < int(str(theirs))
    lines = list(verified.lines())
    assert f"leadfeeder_legacy.visits: account_id=6001 id={gone}: no longer at the vendor" in lines
    assert "leadfeeder_legacy.visits: … and 12 more" in lines

    assert dump(warehouse, "leadfeeder_legacy") == before
    assert [warehouse.query(f"SELECT count(*) FROM {table}") for table in tables] == counts
    assert vendors.requests.count("*/export-requests*", method="POST") == posts

    # what cannot be read is no difference, and no agreement either
    vendors.faults.add("status", status=503, path="*/visits", times=None)
    verified = look("leadfeeder_legacy", streams=frozenset({"visits"}), accounts=frozenset({"6001"}))
    assert differing_at_all(verified) == {}
    assert verified.exit_code == 1
    [error] = verified.errors
    assert error.startswith("leadfeeder_legacy, account 6001, visits, ")


@on_duckdb
def test_lists_that_are_empty_now_and_lists_that_cannot_be_read(
    vendors: Sandbox, load: Callable[[str], None], look: Callable[..., Verified]
) -> None:
    load("leedo")
    crm = vendors.leedo.crm
    vendors.faults.add("status", status=403, path="/leads", times=None)
    verified = look("leedo")
    assert differing_at_all(verified) == {}
    assert len(verified.errors) == 1
    vendors.faults.clear()
    contacts = crm.remove_crm_rows("contacts", len(crm.rows["contacts"]))
    accounts = crm.remove_crm_rows("accounts", len(crm.rows["accounts"]))
    assert differing(look("leedo")) == {"contacts": len(contacts), "accounts": len(accounts)}


def test_nothing_is_loaded_yet(vendors: Sandbox, clock: FakeClock) -> None:
    asked = Asked(Days(date(2026, 3, 1), TODAY))
    with pytest.raises(SettingError, match="leadhouse sync"):
        verify(Warehouse("duckdb", clock=clock), VENDORS["leedo"], asked=asked, clock=clock)
    assert vendors.requests.count() == 0


@on_duckdb
def test_details_that_are_not_asked_for_any_more(
    warehouse: Warehouse,
    vendors: Sandbox,
    load: Callable[[str], None],
    look: Callable[..., Verified],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They stay as they were, and are not held against a list that does not show them."""
    monkeypatch.setenv("SOURCES__LEEDO__DETAILS", "true")
    load("leedo")
    assert warehouse.query("SELECT count(*) FROM leedo.leads WHERE updated_at IS NOT NULL") != [(0,)]
    monkeypatch.setenv("SOURCES__LEEDO__DETAILS", "false")
    assert differing(look("leedo")) == {}
