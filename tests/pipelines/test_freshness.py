"""`leadhouse status` exits 1 where a stream is older than its threshold, and says which one."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from pipelines.freshness import words
from pipelines.ops import RUNS, record
from pipelines.status import StreamStatus, status
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from sources.clock import Clock
from tests.conftest import FakeClock
from tests.pipelines.cli_process import (
    FAILED,
    OK,
    USAGE,
    assert_one_sentence,
    held_by_another,
    leadhouse,
    start,
)

HOUR = timedelta(hours=1)
DEFAULT, CONNECTIONS = "FRESHNESS__DEFAULT", "FRESHNESS__LEADSIE__CONNECTIONS"


def ran(
    warehouse: Warehouse,
    now: datetime,
    *runs: tuple[float, str],
    vendor: str = "leadsie",
    account: str | None = None,
    stream: str = "connections",
) -> None:
    """Record runs of a stream: how many hours ago each ended (it took one), and how."""
    for number, (ago, ended) in enumerate(runs):
        row: dict[str, Any] = dict.fromkeys(RUNS.names)
        finished = None if ended == "running" else now - ago * HOUR
        row |= {"run_id": f"{stream} {number}", "vendor": vendor, "account_id": account, "stream": stream}
        row |= {"started_at": now - (ago + 1) * HOUR, "finished_at": finished, "status": ended}
        record(warehouse, row["run_id"], vendor, [row])


def lines(warehouse: Warehouse, clock: FakeClock) -> list[StreamStatus]:
    return status(Warehouse(warehouse.name, clock=clock, read_only=True), clock.now())


@pytest.mark.parametrize(
    ("runs", "age", "stale"),
    [
        ([(35, "ok")], 35, False),
        ([(36, "ok")], 36, False),
        ([(36.01, "ok")], 36.01, True),
        ([(60, "ok"), (12, "failed")], 60, True),
        ([(60, "ok"), (12, "ok"), (1, "failed")], 12, False),
        ([(60, "ok"), (1, "running")], 60, True),
        ([(1, "failed")], None, True),
        ([(1, "incomplete")], None, True),
        ([(60, "ok"), (1, "skipped")], 60, False),
        ([(60, "ok"), (24, "skipped"), (1, "running")], 60, False),
        ([(24, "skipped"), (1, "failed")], None, True),
    ],
    ids=str,
)
def test_the_newest_run_that_was_ok_counts(
    warehouse: Warehouse,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    runs: Sequence[tuple[float, str]],
    age: float | None,
    stale: bool,
) -> None:
    ran(warehouse, clock.now(), *runs)
    [line] = lines(warehouse, clock)
    assert (line.stale, line.max_age_seconds) == (False, None)
    monkeypatch.setenv(DEFAULT, "36h")
    [line] = lines(warehouse, clock)
    assert line.stale is stale
    assert line.max_age_seconds == 36 * 3600
    assert line.age_seconds == (None if age is None else round(age * 3600))


def test_a_streams_own_threshold_wins(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse("duckdb", clock=clock)
    ran(warehouse, clock.now(), (20, "ok"))
    ran(warehouse, clock.now(), (20, "ok"), vendor="leadfeeder_legacy", account="6001", stream="visits")
    for default, own, stale in (("36h", "12h", {"leadsie"}), ("12h", "1d", {"leadfeeder_legacy"}), ("12h", "0", None)):
        monkeypatch.setenv(DEFAULT, default)
        monkeypatch.setenv(CONNECTIONS, own)
        found = {line.vendor for line in lines(warehouse, clock) if line.stale}
        assert found == (stale or {"leadsie", "leadfeeder_legacy"})
    monkeypatch.delenv(DEFAULT)
    assert [line.max_age_seconds for line in lines(warehouse, clock)] == [None, 0]


@pytest.mark.parametrize(
    ("vendor", "account", "stream", "setting", "value"),
    [
        ("leadfeeder_legacy", "6001", "visits", "ACCOUNT_IDS", "6002,6003"),
        ("leadfeeder_legacy", "6001", "feed_leads", "EXPORT_FEEDS", "[]"),
        ("leadfeeder", "6001", "companies", "COMPANIES", "false"),
    ],
)
def test_what_is_switched_off_is_not_stale(
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    vendor: str,
    account: str,
    stream: str,
    setting: str,
    value: str,
) -> None:
    monkeypatch.setenv(DEFAULT, "36h")
    monkeypatch.setenv("SOURCES__LEADFEEDER__COMPANIES", "true")
    warehouse = Warehouse("duckdb", clock=clock)
    ran(warehouse, clock.now(), (60, "ok"), vendor=vendor, account=account, stream=stream)
    assert [line.stale for line in lines(warehouse, clock)] == [True]
    monkeypatch.setenv(f"SOURCES__{vendor.upper()}__{setting}", value)
    assert [line.stale for line in lines(warehouse, clock)] == [False]


def test_a_refused_first_request_ages_what_it_kept_away(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of accounts then: it is recorded for the stream, and told of those that are known."""
    monkeypatch.setenv(DEFAULT, "36h")
    warehouse = Warehouse("duckdb", clock=clock)
    refused = {"vendor": "leadfeeder_legacy", "stream": "visits"}
    ran(warehouse, clock.now(), (50, "failed"), **refused)
    assert [(line.account_id, line.stale) for line in lines(warehouse, clock)] == [(None, True)]
    with warehouse.open() as client:
        client.execute_sql("UPDATE ops.runs SET run_id = 'refused'")
    ran(warehouse, clock.now(), (30, "ok"), account="6001", **refused)
    assert [(line.account_id, line.stale) for line in lines(warehouse, clock)] == [("6001", False)]
    with warehouse.open() as client:
        client.execute_sql("UPDATE ops.runs SET run_id = 'loaded' WHERE account_id = '6001'")
    ran(warehouse, clock.now(), (1, "failed"), **refused)
    [line] = lines(warehouse, clock)
    assert (line.account_id, line.last_run_status, line.stale) == ("6001", "failed", False)


@pytest.mark.usefixtures("vendors")
def test_the_next_run_tells_of_one_that_was_killed() -> None:
    warehouse = Warehouse("duckdb", clock=Clock())
    ran(warehouse, datetime.now(UTC), (5, "running"))
    assert leadhouse("sync", "leadsie", "--stream", "connections").exit_code == OK
    told = warehouse.query("SELECT status, finished_at IS NULL FROM ops.runs ORDER BY started_at")
    assert told == [("interrupted", True), ("ok", False)]


def test_the_command(vendors: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    warehouse = Warehouse("duckdb", clock=Clock())
    ran(warehouse, now, (60, "ok"))
    ran(warehouse, now, (0.01, "failed"), vendor="leadfeeder_legacy", account="6001", stream="visits")
    assert leadhouse("status").exit_code == OK
    monkeypatch.setenv(DEFAULT, "36h")
    ended = leadhouse("status")
    assert ended.exit_code == FAILED
    row, *told = [line for line in ended.stdout.splitlines() if "connections" in line]
    assert row.rstrip().endswith(" ok, stale")
    assert told == [
        "leadsie, connections: stale: the last run that was ok ended 2.5 d ago, and 36 h are allowed",
    ]
    assert "leadfeeder_legacy, account 6001, visits: stale: no run was ok yet, and 36 h are allowed" in ended.stdout
    ended = leadhouse("status", "--json")
    assert ended.exit_code == FAILED
    found = {line["stream"]: line for line in json.loads(ended.stdout)["streams"]}
    assert found["connections"]["stale"] is True
    assert found["connections"]["max_age_seconds"] == 36 * 3600
    assert found["connections"]["age_seconds"] // 3600 == 60
    assert leadhouse("sync", "leadsie").exit_code == OK
    assert "leadsie, connections" not in leadhouse("status").stdout


def test_where_something_is_expected_nothing_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leadhouse("status").exit_code == OK
    monkeypatch.setenv(DEFAULT, "36h")
    ended = leadhouse("status")
    assert ended.exit_code == FAILED
    assert "Nothing has been loaded yet" in ended.stdout
    assert not Path("leadhouse.duckdb").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (DEFAULT, "soon", ["freshness.default is 'soon'", "give seconds"]),
        (CONNECTIONS, "soon", ["freshness.leadsie.connections is 'soon'", "give seconds"]),
        (
            "FRESHNESS__NOBODY__VISITS",
            "1d",
            ["freshness.nobody.visits names no vendor", "choose among default, leadfee"],
        ),
        ("FRESHNESS__LEADSIE__VISITS", "1d", ["freshness.leadsie.visits names no stream", "choose among connections"]),
        ("FRESHNESS__LEADSIE", "1d", ["freshness.leadsie names no stream of leadsie", "choose among connections"]),
        ("FRESHNESS", "1d", ["freshness is '1d', which is no section", "set freshness.default"]),
    ],
)
def test_settings_that_mean_nothing(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: list[str]) -> None:
    monkeypatch.setenv(name, value)
    ended = leadhouse("status")
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, *words)


@pytest.fixture
def settings_file(house: Path) -> Iterator[Path]:
    (house / ".dlt").mkdir()
    yield house / ".dlt/config.toml"
    (house / ".dlt/config.toml").unlink()
    Container()[PluggableRunContext].reload_providers()


def test_thresholds_in_the_file(settings_file: Path, clock: FakeClock) -> None:
    warehouse = Warehouse("duckdb", clock=clock)
    ran(warehouse, clock.now(), (20, "ok"))
    ran(warehouse, clock.now(), (20, "ok"), vendor="leadfeeder_legacy", account="6001", stream="visits")
    settings_file.write_text('[freshness]\ndefault = "36h"\n\n[freshness.leadfeeder_legacy]\nvisits = 3600\n')
    Container()[PluggableRunContext].reload_providers()
    assert [line.max_age_seconds for line in lines(warehouse, clock)] == [3600, 36 * 3600]
    settings_file.write_text('[freshness.leadsie]\nconexions = "36h"\n')
    ended = start("status").wait()
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, "freshness.leadsie.conexions names no stream of leadsie")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (90, "90 s"), (900, "15 min"), (36 * 3600, "36 h"), (2.5 * 86_400, "2.5 d")]
)
def test_spans_in_words(seconds: float, said: str) -> None:
    assert words(timedelta(seconds=seconds)) == said


def test_it_reads_beside_other_readers_and_waits_for_writers(house: Path) -> None:
    ran(Warehouse("duckdb", clock=Clock()), datetime.now(UTC), (1, "ok"))
    file = house / "leadhouse.duckdb"
    with held_by_another(file):
        assert "connections" in leadhouse("status", "--max-wait", "0").stdout
    with held_by_another(file, read_only=False) as other:
        ended = leadhouse("status", "--max-wait", "0")
        assert ended.exit_code == FAILED
        assert "leadhouse.duckdb is held by another program" in ended.stderr
        assert "allow more with --max-wait" in ended.stderr
        waiting = start("status")
        assert waiting.when(lambda: "waiting for it" in waiting.stderr.read_text())
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
        assert waiting.wait().exit_code == OK
