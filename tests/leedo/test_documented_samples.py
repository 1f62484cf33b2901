"""The vendor's own sample answers, through the whole pipeline: every value of every table."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.check import check
from pipelines.warehouse import Warehouse
from sources.leedo import STREAMS
from tests.conftest import FakeClock
from tests.reading import dump

from .conftest import Run
from .documented import SAMPLES, TOKEN, Documented, sample
from .test_sync import Setting, duckdb_only

CREATED = datetime(2025, 10, 1, 12, tzinfo=UTC)
LEAD = {
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "name": "John Doe",
    "email": "john@example.com",
    "company": "Acme Corp",
    "status": "new",
    "created_at": CREATED,
    "phone": None,
    "updated_at": None,
    "deleted_at": None,
}
ACCOUNT = {
    "id": "650e8400-e29b-41d4-a716-446655440000",
    "name": "Acme Corporation",
    "industry": "Technology",
    "website": "https://acme.com",
    "created_at": CREATED,
    "updated_at": None,
    "deleted_at": None,
}
CONTACT = {
    "id": "750e8400-e29b-41d4-a716-446655440000",
    "name": "Jane Smith",
    "email": "jane@acme.com",
    "role": "Product Manager",
    "account_id": "650e8400-e29b-41d4-a716-446655440000",
    "created_at": CREATED,
    "phone": None,
    "updated_at": None,
    "deleted_at": None,
}
CAMPAIGN = {
    "id": "850e8400-e29b-41d4-a716-446655440000",
    "name": "Q4 2025 Launch",
    "status": "active",
    "leads_count": 42,
    "created_at": CREATED,
    "updated_at": None,
    "deleted_at": None,
}


@pytest.fixture
def vendor(setting: Setting) -> Iterator[Documented]:
    with Documented() as serving:
        setting("api_token", TOKEN)
        setting("base_url", serving.url)
        yield serving


def state(now: datetime, status: str = "new", until: datetime | None = None) -> dict[str, Any]:
    return {"lead_id": LEAD["id"], "status": status, "valid_from": now, "valid_to": until}


def test_every_documented_value_lands_in_its_column(
    vendor: Documented, run: Run, warehouse: Warehouse, clock: FakeClock
) -> None:
    run()
    assert dump(warehouse, "leedo") == {
        "leads": [LEAD],
        "lead_status_history": [state(clock.now())],
        "accounts": [ACCOUNT],
        "contacts": [CONTACT],
        "campaigns": [CAMPAIGN],
        "unfinished_walks": [],
    }
    asked = {"page": "1", "per_page": "100"}
    # a list of which the first page shows all is asked for once
    assert sorted(vendor.asked) == [(f"/{name}", asked) for name in ("accounts", "campaigns", "contacts", "leads")]


def test_every_documented_detail_lands_in_its_column(
    vendor: Documented, run: Run, warehouse: Warehouse, setting: Setting
) -> None:
    setting("details", True)
    summary = run()
    found = dump(warehouse, "leedo")
    known = {"updated_at": CREATED}
    assert found["leads"] == [LEAD | known | {"phone": "+1234567890"}]
    assert found["accounts"] == [ACCOUNT | known]
    assert found["campaigns"] == [CAMPAIGN | known]
    # a contact's own path is not documented
    assert found["contacts"] == [CONTACT]
    notes = {lane.stream: lane.notes for lane in summary.vendors[0].streams if lane.notes}
    assert notes == {"contacts": ["/contacts/<id> answered 404: details of contacts are left out"]}


@duckdb_only
def test_the_documented_update_of_a_lead(
    vendor: Documented, run: Run, warehouse: Warehouse, clock: FakeClock, setting: Setting
) -> None:
    setting("details", True)
    vendor.answers[f"/contacts/{CONTACT['id']}"] = {"data": sample("contact")}
    run()
    first = clock.now()
    vendor.answers["/leads"]["data"][0]["status"] = "qualified"
    vendor.answers[f"/leads/{LEAD['id']}"] = sample("lead_updated")
    clock.sleep(60)
    run()
    found = dump(warehouse, "leedo")
    changed = {"status": "qualified", "phone": "+1234567890", "updated_at": CREATED.replace(minute=10)}
    assert found["leads"] == [LEAD | changed]
    assert found["contacts"] == [CONTACT | {"updated_at": CREATED}]
    assert sorted(found["lead_status_history"], key=lambda row: row["valid_from"]) == [
        state(first, until=clock.now()),
        state(clock.now(), "qualified"),
    ]
    # only what has changed is fetched again
    assert [path for path, _ in vendor.asked if path.count("/") > 1][-1:] == [f"/leads/{LEAD['id']}"]
    assert len([path for path, _ in vendor.asked if path.count("/") > 1]) == 5


@duckdb_only
def test_details_that_are_of_another_row_are_refused(
    vendor: Documented, run: Run, warehouse: Warehouse, setting: Setting
) -> None:
    setting("details", True)
    vendor.answers[f"/leads/{LEAD['id']}"] = sample("account")
    summary = run(expect=1)
    (error,) = [lane.error for lane in summary.vendors[0].streams if lane.error]
    assert "answered with another row, or none" in error
    assert dump(warehouse, "leedo")["leads"] == [LEAD]


@duckdb_only
@pytest.mark.parametrize("meta", [None, {"total": None, "per_page": 0}], ids=str)
def test_a_list_that_says_less_of_itself(vendor: Documented, run: Run, warehouse: Warehouse, meta: Any) -> None:
    vendor.answers["/leads"]["meta"] = meta
    vendor.answers["/accounts"] = {"data": []}
    run()
    found = dump(warehouse, "leedo")
    assert found["leads"] == [LEAD]
    assert found["accounts"] == []


@duckdb_only
@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (403, {"error": "Insufficient permissions"}, "/leads answered 403 (Insufficient permissions); check what"),
        (404, {"error": {"message": "No"}}, "/leads answered 404 (No); check sources.leedo.base_url"),
        (
            400,
            {"errors": [{"title": "per_page is too large"}]},
            "(per_page is too large); check sources.leedo.per_page",
        ),
        (500, "oops", "/leads answered 500; run again later"),
    ],
)
def test_what_is_refused_is_named_in_the_vendors_words(
    vendor: Documented, run: Run, warehouse: Warehouse, status: int, body: Any, says: str
) -> None:
    vendor.refusals["/leads"] = (status, body)
    summary = run(expect=1)
    (error,) = [lane.error for lane in summary.vendors[0].streams if lane.error]
    assert error.startswith("leedo, leads: ")
    assert says in error
    assert dump(warehouse, "leedo")["campaigns"] == [CAMPAIGN]


@duckdb_only
@pytest.mark.parametrize(("status", "ended", "code"), [(402, "skipped", 0), (401, "failed", 1)])
def test_a_refusal_of_the_first_request_is_every_streams(
    vendor: Documented, run: Run, warehouse: Warehouse, status: int, ended: str, code: int
) -> None:
    kinds = ("campaigns", "contacts", "accounts", "leads")
    vendor.refusals |= {f"/{kind}": (status, {"error": "No"}) for kind in kinds}
    summary = run(expect=code)
    rows = warehouse.query("SELECT stream, status, requests FROM ops.runs")
    assert {(stream, status) for stream, status, _ in rows} == {(kind, ended) for kind in kinds}
    assert sum(requests for *_, requests in rows) == len(vendor.asked)
    assert [lane.status for lane in summary.vendors[0].streams] == (["skipped"] * 4 if code == 0 else [])


@duckdb_only
def test_check_tries_the_key(vendor: Documented, clock: FakeClock, destination: str, setting: Setting) -> None:
    # a list that the key may not see does not speak against the key
    vendor.refusals["/campaigns"] = (403, {"message": "Insufficient permissions"})
    (finding,) = [each for each in check(destination, clock) if each.subject == "leedo"]
    assert finding.ok
    assert [path for path, _ in vendor.asked] == ["/campaigns", "/contacts"]
    setting("api_token", "another")
    (finding,) = [each for each in check(destination, clock) if each.subject == "leedo"]
    assert not finding.ok
    assert finding.says == "/campaigns answered 401 (Invalid or missing API token); check the key"


def test_every_sample_is_of_a_stream() -> None:
    names = {stream.name for stream in STREAMS}
    assert {path.stem for path in SAMPLES.glob("*.json")} == names | {n[:-1] for n in names} | {"lead_updated"}
