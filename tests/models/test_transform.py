"""`leadhouse transform`: what it needs, what it leaves, and what it says."""

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from pipelines.transform import PROJECT, profiles
from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import World
from sources.tables import Table
from tests.conftest import FakeClock
from tests.docs.pages import blocks, text
from tests.pipelines.cli_process import Ended, leadhouse, settings, simulated

from .oracle import Story, figures
from .project import PAGE, QUERIES, models

OK, FAILED, USAGE = 0, 1, 2


def assert_all_is_empty(ended: Ended) -> None:
    """Every model is there, and has no rows."""
    assert ended.exit_code == OK, ended
    header, *lines = ended.stdout.splitlines()
    assert header.split() == ["model", "rows", "tests", "status"]
    rows = {line.split()[0]: line.split()[1] for line in lines}
    assert rows == {f"marts.{name}": "0" for name in models("marts")}
    assert all(line.split()[-1] == "ok" for line in lines)


def test_nothing_is_configured(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # dbt takes a number for these, and no text
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{postgres}?connect_timeout=20&keepalives_idle=40")
    assert_all_is_empty(leadhouse("transform", "--destination", "postgres"))
    # dbt writes down its every step at debug level only
    assert not any(path.stat().st_size for path in tmp_path.rglob("dbt.log"))


def test_what_an_address_says_besides_is_passed_on(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "?sslmode=prefer&connect_timeout=20&keepalives_idle=40&application_name=models"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres + more)
    with profiles(Warehouse("postgres", clock=FakeClock())) as folder:
        profile = json.loads((folder / "profiles.yml").read_text(encoding="utf-8"))
    given = {"sslmode": "prefer", "connect_timeout": 20, "keepalives_idle": 40, "application_name": "models"}
    assert given.items() <= profile["leadhouse"]["outputs"]["warehouse"].items()


def test_one_vendor_alone_at_the_end_of_a_sync(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """/v1 has no days of an account's own: its visits are counted by UTC days. A test that fails keeps nothing back."""
    with simulated(World(today=FIRST_OF_MAY, days=5, accounts=2, visits_per_day=8)) as sandbox:
        found = settings(sandbox) | {"SOURCES__LEADFEEDER__START_DATE": "2026-04-25"}
        for name, value in found.items():
            if "__LEADFEEDER__" in name:
                monkeypatch.setenv(name, value)
        assert leadhouse("sync", "--stream", "tags").exit_code == OK
        # days that lie by themselves are not what is loaded without a gap
        assert leadhouse("sync", "--stream", "visits", "--from", "2026-04-01", "--to", "2026-04-02").exit_code == OK
        warehouse = Warehouse("duckdb", clock=clock)
        with warehouse.open() as client:
            client.execute_sql("UPDATE ops.runs SET stream = 'nobodys', status = 'strange' WHERE stream = 'tags'")
        ended = leadhouse("sync", "--transform", "--json")
        summary = json.loads(ended.stdout)
        built = summary["transform"]
        assert (ended.exit_code, summary["exit_code"], built["exit_code"]) == (FAILED, FAILED, FAILED), summary
        assert {stream["status"] for vendor in summary["vendors"] for stream in vendor["streams"]} == {"ok"}
        assert figures(warehouse.records("SELECT * FROM marts.company_days")) == Story(sandbox).company_days(utc=True)
    since = warehouse.query("SELECT DISTINCT loaded_from FROM marts.freshness WHERE stream = 'visits'")
    assert since == [(date(2026, 4, 25),)]
    rows = {model["model"]: model["rows"] for model in built["models"]}
    assert set(rows) == {f"marts.{name}" for name in models("marts")}
    (freshness,) = (model for model in built["models"] if model["errors"])
    assert (freshness["model"], freshness["tests_failed"]) == ("marts.freshness", 1)
    assert "last_run_status" in freshness["errors"][0]
    assert freshness["rows"] == warehouse.query("SELECT count(*) FROM marts.freshness")[0][0] > 1
    assert rows["marts.crm_funnel"] == rows["marts.access_health"] == 0
    assert {row[0] for row in warehouse.query("SELECT DISTINCT situation FROM marts.web_to_crm")} == {"not_in_crm"}
    feeds = warehouse.records("SELECT * FROM marts.feed_companies WHERE custom_feed_id = 'all_leads'")
    assert feeds
    assert {row["source"] for row in feeds} == {"leadfeeder"}
    assert sum(row["visits"] for row in feeds) == warehouse.query("SELECT count(*) FROM marts.visits")[0][0]


def test_visits_alone_of_two_apis_that_begin_on_different_days(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    with simulated(World(today=FIRST_OF_MAY, days=9, accounts=3, visits_per_day=60)) as sandbox:
        starts = {
            "SOURCES__LEADFEEDER__START_DATE": "2026-04-20",
            "SOURCES__LEADFEEDER_LEGACY__START_DATE": "2026-04-28",
        }
        for name, value in (settings(sandbox) | starts).items():
            monkeypatch.setenv(name, value)
        visits = ("sync", "leadfeeder", "leadfeeder_legacy", "--stream", "visits")
        assert leadhouse(*visits).exit_code == OK
        warehouse = Warehouse("duckdb", clock=clock)
        with warehouse.open() as client:
            # what a run has loaded before it failed is loaded
            client.execute_sql("UPDATE ops.runs SET status = 'failed'")
            # whoever was refused the first request was told of no account
            client.execute_sql(
                "INSERT INTO ops.runs (run_id, vendor, stream, started_at, finished_at, status) "
                "VALUES ('refused', 'leadfeeder', 'visits', '2026-01-01', '2026-01-01', 'failed')"
            )
        ended = leadhouse(*visits, "--transform")
        assert ended.exit_code == OK, ended
        story = Story(sandbox)
    # west and east of UTC, the token API's first day begins within a UTC day
    told = warehouse.query("SELECT account_id, count(*) FROM marts.visits GROUP BY 1")
    assert dict(told) == Counter(account for account, _ in story.visits)
    assert {source for (source,) in warehouse.query("SELECT DISTINCT source FROM marts.visits")} == {
        "leadfeeder", "leadfeeder_legacy",
    }  # fmt: skip
    since = "SELECT DISTINCT vendor, loaded_from FROM marts.freshness WHERE stream = 'visits' ORDER BY 1"
    assert warehouse.query(since) == [
        ("leadfeeder", date(2026, 4, 20)), ("leadfeeder_legacy", date(2026, 4, 28)),
    ]  # fmt: skip
    told = warehouse.query("SELECT account_id, runs FROM marts.freshness WHERE vendor = 'leadfeeder' ORDER BY 1")
    assert told == [("6001", 3), ("6002", 3), ("6003", 3)]
    assert warehouse.query("SELECT count(*), count(name) FROM marts.accounts") == [(3, 0)]


FIRST_OF_MAY = "2026-05-01"


def test_another_transform_is_at_work(warehouse: Warehouse) -> None:
    with warehouse.vendor_lock("transform"):
        ended = leadhouse("transform", "--destination", warehouse.name)
    assert ended.exit_code == USAGE
    assert "another run of transform is at work" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("command", [["transform"], ["sync", "--transform"]])
def test_a_destination_that_has_no_models(command: list[str]) -> None:
    ended = leadhouse(*command, "--destination", "motherduck")
    assert ended.exit_code == USAGE
    assert "the models are not written for motherduck" in ended.stderr


# ---- what the project says of itself


@pytest.mark.parametrize("name", [*models("marts")])
def test_every_mart_has_a_key(name: str) -> None:
    tests = models("marts")[name]["data_tests"]
    assert [test for test in tests if "key" in test]  # type: ignore[attr-defined]


def test_staged_columns_are_the_vendors() -> None:
    """A column that is renamed at its source would be empty here, without a word."""
    sources = yaml.safe_load((PROJECT / "layers/staging/sources.yml").read_text(encoding="utf-8"))["sources"]
    staged = models("staging")
    for source in sources:
        if source["name"] not in VENDORS:
            continue
        package = __import__(f"sources.{source['name']}.tables", fromlist=["tables"])
        tables = {t.name: t for t in reversed([*vars(package).values()]) if isinstance(t, Table)}
        for table in source["tables"]:
            known = {column.name for column in tables[table["name"]].columns}
            for column in staged[f"{source['name']}_{table['name']}"]["columns"]:  # type: ignore[attr-defined]
                undeclared = re.match("Not declared, seen", column["description"])
                assert (column["name"] in known) != bool(undeclared), (table["name"], column["name"])


def test_there_are_a_dozen_questions_and_each_has_its_query() -> None:
    assert len(QUERIES) >= 12
    assert [*QUERIES] == re.findall(r"^## (.+)$", text(PAGE), re.MULTILINE)
    assert [*QUERIES.values()] == blocks(PAGE, "sql")
