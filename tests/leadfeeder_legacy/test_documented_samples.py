"""The vendor's own sample answers, through the whole pipeline: every value of every table, and every column's type."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.sync import StreamResult, Summary, sync
from pipelines.warehouse import Warehouse
from sources.leadfeeder_legacy import STREAMS
from sources.streams import Asked
from sources.windows import Days
from tests.conftest import FakeClock

from .documented import NOTHING, SAMPLES, TOKEN, Documented, Refusal, page_of, sample
from .expected import HELSINKI, ONE_LEAD, ROWS, Row

SCHEMA: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("schema.json").read_text())
TABLES = {table.name: table for stream in STREAMS for table in (*stream.tables, stream.ledger) if table}
# export requests have tests of their own
SAMPLED = {"accounts", "tracking_scripts", "custom_feeds", "leads", "visits"}
LEADS_DAY, VISITS_DAY = date(2015, 9, 18), date(2018, 4, 12)
# the document's own words for its codes
TITLES = {
    400: "Bad Request – The request contains wrong or incorrectly formatted arguments.",
    401: "Unauthorized – The API token used is incorrect.",
    402: "Premium required – Account does not have Leadfeeder Premium subscription.",
    403: "Forbidden – The user whose API token is used does not have required privileges to the resource",
    404: "Not Found – The resource was not found.",
    500: "Internal Server Error – There was an error processing the request.",
}

Load = Callable[..., Summary]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Documented]:
    with Documented() as serving:
        monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__API_TOKEN", TOKEN)
        monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__BASE_URL", serving.url)
        yield serving


@pytest.fixture
def load(vendor: Documented, warehouse: Warehouse, clock: FakeClock) -> Load:
    """Backfills days, or one."""

    def backfill(first: date, last: date | None = None, streams: set[str] | None = SAMPLED) -> Summary:
        wanted = None if streams is None else frozenset(streams)
        return sync(warehouse, asked=Asked(days=Days(first, last or first), streams=wanted), clock=clock)

    return backfill


# what does not depend on the destination is tried on one
duckdb_only = pytest.mark.parametrize("destination", ["duckdb"])


def columns(warehouse: Warehouse) -> dict[str, dict[str, str]]:
    """The columns of every vendor table, with types that read the same in both databases."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind, precision, scale in warehouse.query(
        "SELECT table_name, column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns "
        "WHERE table_schema = 'leadfeeder_legacy' AND table_name NOT LIKE '\\_dlt%%' ESCAPE '\\' "
        "ORDER BY table_name, ordinal_position"
    ):
        plain = kind.lower().partition("(")[0]
        same = {"varchar": "text", "character varying": "text", "numeric": "decimal", "jsonb": "json"}
        plain = same.get(plain, plain)
        found.setdefault(table, {})[column] = f"decimal({precision},{scale})" if plain == "decimal" else plain
    return found


def rows(warehouse: Warehouse, table: str) -> list[Row]:
    """The rows of a table in the order of its key; JSON is parsed."""
    types = SCHEMA[table]
    listed = ", ".join(f'"{column}"' for column in types)
    order = ", ".join(f'"{column}"' for column in TABLES[table].key)
    found = warehouse.query(f"SELECT {listed} FROM leadfeeder_legacy.{table} ORDER BY {order}")
    named = [dict(zip(types, row, strict=True)) for row in found]
    for row in named:
        for column, value in row.items():
            if types[column] == "json" and isinstance(value, str):
                row[column] = json.loads(value)
    return in_order(table, named)


def in_order(table: str, unordered: list[Row]) -> list[Row]:
    return sorted(unordered, key=lambda row: [str(row[column]) for column in TABLES[table].key])


def kinds(table: list[Row]) -> list[dict[str, type]]:
    return [{column: type(value) for column, value in row.items()} for row in table]


def results(summary: Summary) -> dict[tuple[str, str | None], StreamResult]:
    (vendor,) = summary.vendors
    return {(stream.stream, stream.account_id): stream for stream in vendor.streams}


# -- every value -------------------------------------------------------------------------------------------------------


def test_every_documented_value_lands_in_its_column(vendor: Documented, load: Load, warehouse: Warehouse) -> None:
    vendor.leads["6002", "2015-09-19"] = [page_of(sample("lead"))]

    assert load(LEADS_DAY, date(2015, 9, 19)).exit_code == 0
    assert load(date(2018, 4, 11), VISITS_DAY).exit_code == 0

    loaded = {table.name for stream in STREAMS if stream.name in SAMPLED for table in stream.tables}
    assert set(ROWS) <= loaded
    for table in loaded:
        expected, found = ROWS.get(table, []), rows(warehouse, table)
        assert found == in_order(table, expected), table
        assert kinds(found) == kinds(in_order(table, expected)), table
    found_columns = columns(warehouse)
    assert {table: found_columns[table] for table in loaded} == {table: SCHEMA[table] for table in loaded}


def test_a_visit_keeps_its_instant_and_the_vendors_day(load: Load, warehouse: Warehouse) -> None:
    load(VISITS_DAY, streams={"visits"})

    (visit,) = rows(warehouse, "visits")
    assert visit["visit_date"] == VISITS_DAY
    assert visit["started_at"].astimezone(UTC).isoformat() == "2018-04-13T06:23:00+00:00"
    assert warehouse.query("SELECT extract(epoch FROM started_at) FROM leadfeeder_legacy.visits") == [
        (datetime(2018, 4, 13, 6, 23, tzinfo=UTC).timestamp(),)
    ]
    assert {row["visit_date"] for row in rows(warehouse, "visit_pages")} == {VISITS_DAY}


@duckdb_only
def test_a_visit_of_the_day_after_is_seen_and_not_loaded(vendor: Documented, load: Load, warehouse: Warehouse) -> None:
    load(date(2018, 4, 10), streams={"visits"})

    # New York's day reaches into the next one of UTC's
    days = {"start_date": "2018-04-10", "end_date": "2018-04-11"}
    assert [query for path, query in vendor.asked if path == "/accounts/6002/visits"] == [
        {**days, "page[size]": "100", "page[number]": "1"}
    ]
    assert rows(warehouse, "visits") == rows(warehouse, "visit_pages") == []


@duckdb_only
def test_a_lead_with_two_of_its_attributes_is_null_everywhere_else(
    vendor: Documented, load: Load, warehouse: Warehouse
) -> None:
    vendor.leads["6002", "2015-09-18"] = [page_of(sample("lead_subset"))]

    load(LEADS_DAY, streams={"leads"})

    (lead,) = rows(warehouse, "leads")
    assert {column: value for column, value in lead.items() if value is not None} == {
        "account_id": "6002",
        "id": ONE_LEAD,
        "name": "Leadfeeder Inc.",
        "employee_count": 22,
        "location_id": "7xeTMh2VfiAzFd86n7GNJ3",
    }
    assert rows(warehouse, "locations") == [
        {"id": "7xeTMh2VfiAzFd86n7GNJ3", **dict.fromkeys(HELSINKI), "country": "Finland"}
    ]
    assert rows(warehouse, "lead_tags") == rows(warehouse, "lead_industries") == []


@duckdb_only
def test_one_account_and_one_feed_are_rows_like_those_of_a_list(
    vendor: Documented, load: Load, warehouse: Warehouse
) -> None:
    vendor.accounts = page_of(sample("account"))
    vendor.custom_feeds = {"6002": page_of(sample("custom_feed"))}

    load(LEADS_DAY, streams={"accounts", "custom_feeds"})

    listed = next(row for row in ROWS["accounts"] if row["id"] == "6002")
    assert rows(warehouse, "accounts") == [{**listed, "website_tracking_status": "ok"}]
    assert rows(warehouse, "custom_feeds") == [{"account_id": "6002", "id": "9999991535", "name": "Blog"}]
    assert [row["search_value"] for row in rows(warehouse, "custom_feed_criteria")] == ["/blog/"]


@duckdb_only
def test_pages_of_two_rows_are_walked_by_the_links_of_the_sample(
    vendor: Documented, load: Load, warehouse: Warehouse
) -> None:
    # `self` asks for ten rows, `next` and `last` for two: as documented
    second = {**page_of(sample("lead")), "links": {"last": sample("leads")["links"]["last"]}}
    vendor.leads["6002", "2015-09-18"] = [sample("leads"), second]

    assert load(LEADS_DAY, streams={"leads"}).exit_code == 0

    assert [row["id"] for row in rows(warehouse, "leads")] == sorted(row["id"] for row in ROWS["leads"])


def test_every_value_of_the_documented_report_lands(
    vendor: Documented, load: Load, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", '["123"]')
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__ACCOUNT_IDS", '["6002"]')
    july = Days(date(2015, 7, 1), date(2015, 7, 31))

    assert load(july.first, july.last, streams={"feed_leads"}).exit_code == 0

    assert vendor.forms == [
        {"account_id": "6002", "custom_feed_id": "123", "start_date": "2015-07-01", "end_date": "2015-07-31"}
    ]
    window = {"account_id": "6002", "custom_feed_id": "123", "window_start": july.first}
    days = {"start_date": july.first, "end_date": july.last, "last_visit": date(2015, 7, 14)}
    assert rows(warehouse, "feed_leads") == [
        {**window, "lead_id": "ab1234_cd1234", **days, "quality": 1, "bounces": 5, "pageviews": 5, "visits": 5},
        {**window, "lead_id": "abcdef_ghijk", **days, "quality": 2, "bounces": 3, "pageviews": 5, "visits": 4},
    ]
    assert rows(warehouse, "feed_lead_keywords") == []
    of_report = {
        "account_id": "6002",
        "id": "abcdef_ghijk",
        "name": "Leadfeeder Inc.",
        "industry": "N/A",
        "first_visit_date": date(2015, 7, 1),
        "last_visit_date": date(2015, 7, 1),
        "status": "new",
        "website_url": "https://www.leadfeeder.com",
        "linkedin_url": "https://www.linkedin.com/company/leadfeeder",
        "twitter_handle": "Leadfeeder",
        "facebook_url": "https://www.facebook.com/Leadfeeder",
        "location_id": "ghijk",
    }
    # what a report does not tell of a lead stays unknown
    assert rows(warehouse, "leads") == [dict.fromkeys(SCHEMA["leads"]) | of_report]
    helsinki = {"country": "Finland", "country_code": "FI", "region": "Uusimaa", "city": "Helsinki"}
    assert rows(warehouse, "locations") == [{"id": "ghijk", **helsinki, "region_code": None, "state_code": None}]
    (request,) = rows(warehouse, "export_requests")
    created = datetime(2015, 7, 28, 7, 55, 34, tzinfo=UTC)
    assert (request["id"], request["created_at"]) == ("06ac7d56-34fe-11e5-8094-4fbabdb782e1", created)
    assert (request["status"], request["row_count"], request["error"]) == ("processed", 2, None)


# -- every type --------------------------------------------------------------------------------------------------------


def test_an_empty_vendor_makes_every_table_with_all_its_columns(
    vendor: Documented, load: Load, warehouse: Warehouse
) -> None:
    vendor.accounts = NOTHING

    summary = load(LEADS_DAY, streams=None)

    assert summary.exit_code == 0
    assert columns(warehouse) == SCHEMA
    assert all(rows(warehouse, table) == [] for table in TABLES)


def test_the_golden_schema_has_every_declared_column_and_no_variant() -> None:
    assert {name: set(declared) for name, declared in SCHEMA.items()} == {
        table.name: {column.name for column in table.columns} for table in TABLES.values()
    }
    assert not [column for declared in SCHEMA.values() for column in declared if "__v_" in column]


# -- every refusal -----------------------------------------------------------------------------------------------------


@duckdb_only
def test_the_documented_429_waits_for_the_next_full_minute(
    vendor: Documented, load: Load, warehouse: Warehouse, clock: FakeClock
) -> None:
    clock.move(timedelta(seconds=20))
    minute = clock.now().replace(second=0) + timedelta(minutes=1)
    vendor.refusals["/accounts"] = Refusal(429, sample("rate_limited"), times=1)

    summary = load(LEADS_DAY, streams={"accounts"})

    assert summary.exit_code == 0
    assert [path for path, _ in vendor.asked] == ["/accounts", "/accounts"]
    assert minute <= clock.now() < minute + timedelta(seconds=1)
    assert len(rows(warehouse, "accounts")) == 3


@duckdb_only
def test_what_is_refused_is_named_in_the_vendors_words_and_everything_else_is_loaded(
    vendor: Documented, load: Load, warehouse: Warehouse
) -> None:
    refused = {("visits", "6001"): 400, ("visits", "6003"): 403, ("leads", "6001"): 404, ("leads", "6003"): 500}
    for (stream, account), status in refused.items():
        vendor.refusals[f"/accounts/{account}/{stream}"] = Refusal(status, {"errors": [{"title": TITLES[status]}]})

    summary = load(VISITS_DAY, streams={"visits", "leads"})

    assert summary.exit_code == 1
    for (stream, account), status in refused.items():
        result = results(summary)[stream, account]
        assert result.status == "failed"
        assert result.error is not None
        assert result.error.startswith(f"leadfeeder_legacy, account {account}, {stream}, 2018-04-12: ")
        assert TITLES[status] in result.error
        # only an outage is worth a second try; the first lane bears the list of accounts
        assert result.requests == (6 if status == 500 else 1) + ((stream, account) == ("leads", "6001"))
    assert results(summary)["visits", "6002"].status == results(summary)["leads", "6002"].status == "ok"
    assert [row["account_id"] for row in rows(warehouse, "visits")] == ["6002"]


@duckdb_only
def test_an_account_without_premium_is_skipped(vendor: Documented, load: Load, warehouse: Warehouse) -> None:
    vendor.refusals["/accounts/6001/visits"] = Refusal(402, {"errors": [{"title": TITLES[402]}]})

    summary = load(VISITS_DAY, streams={"visits"})

    assert summary.exit_code == 0
    skipped = results(summary)["visits", "6001"]
    assert skipped.status == "skipped"
    assert skipped.error is not None
    assert TITLES[402] in skipped.error
    assert results(summary)["visits", "6002"].rows == 1
    recorded = warehouse.query("SELECT account_id, status FROM ops.runs WHERE stream = 'visits' ORDER BY account_id")
    assert recorded == [("6001", "skipped"), ("6002", "ok"), ("6003", "ok")]


@duckdb_only
def test_a_wrong_token_is_said_in_the_vendors_words(vendor: Documented, load: Load, warehouse: Warehouse) -> None:
    vendor.refusals["/accounts"] = Refusal(401, {"errors": [{"title": TITLES[401]}]})

    summary = load(VISITS_DAY)

    assert summary.exit_code == 1
    (result,) = summary.vendors
    assert result.error is not None
    assert TITLES[401] in result.error
    assert TOKEN not in result.error
    assert [path for path, _ in vendor.asked] == ["/accounts"]
    told = warehouse.query("SELECT stream, status, requests, error FROM ops.runs")
    # the first stream bears the request, and none of the others is what it was
    assert sorted(told) == sorted((s.name, "failed", int(s.name == "accounts"), result.error) for s in STREAMS)


@duckdb_only
def test_an_account_without_a_script(vendor: Documented, load: Load, warehouse: Warehouse) -> None:
    vendor.scripts = {account: {"data": None} for account in ("6001", "6002")}

    assert load(LEADS_DAY, streams={"tracking_scripts"}).exit_code == 0

    assert rows(warehouse, "tracking_scripts") == []


# -- the samples themselves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.json")))
def test_a_sample_is_data_or_errors(name: str) -> None:
    document = sample(name)

    if "errors" in document:
        assert all(error["title"].startswith("Exceeded the ") for error in document["errors"])
        return
    objects: list[dict[str, Any]] = document["data"] if isinstance(document["data"], list) else [document["data"]]
    assert all(each["id"] and each["type"] and each["attributes"] for each in objects)


def test_the_export_samples_tell_one_story() -> None:
    created, processed = sample("export_request_created")["data"], sample("export_request_processed")["data"]
    report = sample("report")

    assert created["id"] == processed["id"]
    assert (created["attributes"]["status"], created["attributes"]["download_url"]) == ("pending", None)
    assert processed["attributes"]["status"] == "processed"
    assert processed["attributes"]["download_url"].startswith("https://api.leadfeeder.com/download/")
    leads = {each["id"] for each in report["included"] if each["type"] == "leads"}
    # the sample's second row refers to a lead that it does not include
    assert [row["relationships"]["lead"]["data"]["id"] in leads for row in report["data"]] == [True, False]
