"""The command line: what it answers, what it exits with, and what happens to it while it is at work."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from sources.clock import Clock
from tests.pipelines.cli_process import (
    FAILED,
    FIRST_DAY,
    INTERRUPTED,
    NO_PORT,
    OK,
    PATIENCE,
    ROOT,
    SECRET,
    TOKEN,
    USAGE,
    VENDOR,
    Ended,
    assert_one_sentence,
    held_by_another,
    leadhouse,
    start,
)
from tests.reading import dump, rows_of


def held(destination: str) -> Warehouse:
    return Warehouse(destination, clock=Clock())


def summary_of(ended: Ended) -> dict[str, Any]:
    document = json.loads(ended.stdout)
    assert isinstance(document, dict)
    return document


def in_a_process_of_its_own(*arguments: str, before: str) -> Ended:
    """What a command leaves, where something has been done in its process before."""
    code = f"import atexit, sys, threading, time\n{dedent(before)}\nfrom pipelines import cli\ncli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    return Ended(done.returncode, done.stdout, done.stderr)


# words and settings


def test_help_lists_every_command_and_imports_little() -> None:
    shown = in_a_process_of_its_own(
        "--help",
        before="""
            def say():
                print([name for name in ('dlt', 'pyarrow', 'duckdb') if name in sys.modules], file=sys.stderr)
            atexit.register(say)""",
    )
    assert (shown.exit_code, shown.stderr.strip()) == (OK, "[]")
    from pipelines.cli import app

    commands = {c.name or c.callback.__name__: c.callback.__doc__ for c in app.registered_commands if c.callback}
    assert {"sync", "status", "check", "recover", "sandbox", "demo"} <= set(commands)
    words = " ".join(shown.stdout.replace("│", " ").split())
    for name, about in commands.items():
        assert about
        # brackets would be taken for markup
        assert f"{name} {' '.join(about.split())}" in words, name


def test_an_end_waits_for_no_thread_and_keeps_its_exit_code() -> None:
    waits = "threading.Thread(target=time.sleep, args=(600,)).start()\natexit.register(print, 'done')"
    ended = in_a_process_of_its_own("no-such-command", before=waits)
    assert (ended.exit_code, ended.stdout) == (USAGE, "done\n")


# what a sync says


def test_json_and_plain_logs(vendors: Sandbox) -> None:
    vendors.leadfeeder_legacy.options.account_status = {"6002": 403}
    ended = leadhouse("sync", VENDOR, "--json")
    assert ended.exit_code == FAILED
    assert ended.stdout.count("\n") == 1
    summary = summary_of(ended)
    assert summary["exit_code"] == FAILED
    assert summary["destination"] == "duckdb"
    [vendor] = summary["vendors"]
    assert vendor["vendor"] == VENDOR
    ended_as = {(s["account_id"], s["stream"]): s["status"] for s in vendor["streams"]}
    assert ended_as["6001", "visits"] == "ok"
    assert ended_as["6002", "visits"] == "failed"
    visits = next(s for s in vendor["streams"] if (s["account_id"], s["stream"]) == ("6001", "visits"))
    assert visits["rows"] == len(rows_of(held("duckdb"), VENDOR, "visits")) > 0
    assert visits["requests"] >= 1
    assert visits["window_start"] == FIRST_DAY.isoformat()
    refused = next(s for s in vendor["streams"] if (s["account_id"], s["stream"]) == ("6002", "visits"))
    assert refused["error"].startswith(f"{VENDOR}, account 6002, visits, ")
    assert summary["rows"] == sum(s["rows"] for s in vendor["streams"])
    lines = ended.stderr.splitlines()
    assert lines
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ (sources|pipelines)\.\w+: \S", line), line


def test_a_mistake_of_ours_is_one_vendors_failure(vendors: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise RuntimeError(f"no {TOKEN} here\nand more")

    monkeypatch.setattr(Warehouse, "settle", stumble)
    ended = leadhouse("sync", VENDOR, "--json")
    assert ended.exit_code == FAILED
    [vendor] = summary_of(ended)["vendors"]
    assert vendor["error"] == f"{VENDOR}: unexpected RuntimeError: no *** here; please report this"
    assert {stream["status"] for stream in vendor["streams"]} == {"ok"}


def test_status(vendors: Sandbox) -> None:
    ended = leadhouse("status")
    assert ended.exit_code == OK
    assert "Nothing has been loaded yet" in ended.stdout
    assert summary_of(leadhouse("status", "--json")) == {"streams": []}
    assert leadhouse("sync", VENDOR).exit_code == OK
    lines = summary_of(leadhouse("status", "--json"))["streams"]
    loaded = {(line["account_id"], line["stream"]): line for line in lines}
    # without feeds to export nothing was waited for
    read = {stream.name for stream in VENDORS[VENDOR].package.STREAMS if stream.by != "report"}
    assert {stream for _, stream in loaded} == read
    for account in ("6001", "6002"):
        line = loaded[account, "visits"]
        assert line["loaded_from"] == FIRST_DAY.isoformat()
        assert line["loaded_until"] > FIRST_DAY.isoformat()
        assert line["last_run_status"] == "ok"
        assert line["rows"] == len([r for r in rows_of(held("duckdb"), VENDOR, "visits") if r["account_id"] == account])
    shown = leadhouse("status").stdout
    row = next(line for line in shown.splitlines() if "6001" in line and "visits" in line)
    assert VENDOR in row
    assert loaded["6001", "visits"]["loaded_until"] in row


def test_check(vendors: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = leadhouse("check")
    assert ended.exit_code == OK
    assert re.search(rf"^ok   {VENDOR}: .*6001, 6002", ended.stdout, re.MULTILINE)
    assert re.search(r"^ok   duckdb: ", ended.stdout, re.MULTILINE)
    monkeypatch.setenv(SECRET, "not-the-key")
    ended = leadhouse("check")
    assert ended.exit_code == FAILED
    assert re.search(rf"^FAIL {VENDOR}: .*401.*check the key$", ended.stdout, re.MULTILINE)
    assert "not-the-key" not in ended.stdout + ended.stderr
    for vendor in VENDORS.values():
        monkeypatch.delenv(f"SOURCES__{vendor.name.upper()}__{vendor.secret.upper()}")
    ended = leadhouse("check")
    assert ended.exit_code == USAGE
    for vendor in VENDORS.values():
        assert re.search(rf"^off  {vendor.name}: .*{vendor.secret_setting}", ended.stdout, re.MULTILINE)


@pytest.mark.usefixtures("vendors")
def test_a_refused_sync_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "not-the-key")
    run = [sys.executable, "-c", "from pipelines import cli; cli.main()", "sync", VENDOR]
    ended = subprocess.run(run, env=dict(os.environ, PYTHONPATH=str(ROOT)), capture_output=True, text=True, check=False)
    assert ended.returncode == FAILED
    # nothing that a library says while the process is taken down
    assert re.search(r"run \w+ ends: not all is loaded[^\n]*\n\Z", ended.stderr), ended.stderr


@pytest.mark.usefixtures("vendors")
def test_check_of_a_warehouse_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"postgresql://u:hidden-word@{NO_PORT}/x")
    ended = leadhouse("check", "--destination", "postgres")
    assert ended.exit_code == FAILED
    assert re.search(rf"^ok   {VENDOR}: ", ended.stdout, re.MULTILINE)
    assert re.search(r"^FAIL postgres: ", ended.stdout, re.MULTILINE)
    assert "hidden-word" not in ended.stdout + ended.stderr


# what happens to a sync


@pytest.mark.parametrize(
    ("destination", "number"),
    [("duckdb", signal.SIGINT), ("duckdb", signal.SIGTERM), ("postgres", signal.SIGINT)],
    indirect=["destination"],
)
def test_interrupted(vendors: Sandbox, destination: str, number: signal.Signals) -> None:
    """While a run waits for answers a second one is refused; interrupted, it keeps what was committed before."""
    assert leadhouse("sync", VENDOR, "--stream", "custom_feeds", "--destination", destination).exit_code == OK
    before = rows_of(held(destination), VENDOR, "custom_feeds")
    vendors.faults.add("stall", times=None, seconds=2, path="*/visits")
    run = start("sync", VENDOR, "--destination", destination)
    assert run.when(lambda: vendors.requests.count("*/visits") > 0), run.wait()

    second = leadhouse("sync", VENDOR, "--destination", destination)
    assert second.exit_code == USAGE
    assert f"another run of {VENDOR} is at work" in second.stdout

    began = time.monotonic()
    run.signal(number)
    ended = run.wait()
    assert time.monotonic() - began < 5
    assert ended.exit_code == INTERRUPTED
    assert ended.stderr.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in ended.stderr
    assert rows_of(held(destination), VENDOR, "custom_feeds") == before
    recorded = dict(held(destination).query("SELECT stream, max(status) FROM ops.runs GROUP BY stream"))
    assert recorded["visits"] == "interrupted"

    vendors.faults.clear()
    assert leadhouse("sync", VENDOR, "--destination", destination).exit_code == OK
    assert dump(held(destination), VENDOR)["visits"]


def test_a_reader_holds_the_file(vendors: Sandbox, house: Path) -> None:
    held("duckdb").prepare()
    with held_by_another(house / "leadhouse.duckdb") as other:
        ended = leadhouse("sync", VENDOR, "--max-wait", "1s")
        assert ended.exit_code != OK
        assert "held by another program" in ended.stdout
        assert "--max-wait" in ended.stdout
        assert vendors.requests.count() == 0

        run = start("sync", VENDOR)
        assert run.when(lambda: "waiting for it" in run.stderr.read_text())
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
        assert run.wait().exit_code == OK
    assert dump(held("duckdb"), VENDOR)["visits"]


def left_by_a_killed_run(vendors: Sandbox) -> Path:
    """The normalized package that a run leaves which is killed while its load waits for its turn."""
    packages = held("duckdb").working_dir / VENDOR / "load" / "normalized"
    vendors.faults.add("stall", times=2, seconds=0.5, path="*/visits")
    run = start("sync", VENDOR, "--stream", "visits")
    assert run.when(lambda: vendors.requests.count("*/visits") > 0), run.wait()
    with held("duckdb").open():
        assert run.when(lambda: any(packages.glob("*/schema.json"))), run.wait()
        # what was extracted is let go of once it is normalized
        assert run.when(lambda: not any((packages.parents[1] / "normalize" / "extracted").iterdir()))
        run.signal(signal.SIGKILL)
        assert run.wait().exit_code == -signal.SIGKILL
    vendors.faults.clear()
    [package] = packages.iterdir()
    return package


def test_what_a_killed_run_left_is_loaded_first(vendors: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    left_by_a_killed_run(vendors)
    assert held("duckdb").query(f"SELECT * FROM {VENDOR}.visits") == []
    expected = vendors.world.visits("6001", FIRST_DAY)
    vendors.world.empty_day("6001", FIRST_DAY)
    monkeypatch.setenv("SOURCES__LEADFEEDER_LEGACY__LOOKBACK_DAYS", "0")
    ended = leadhouse("sync", VENDOR)
    assert ended.exit_code == OK
    assert "loading what an earlier run had read" in ended.stderr
    # it is not read again: the vendor has lost it meanwhile
    found = {r["id"] for r in rows_of(held("duckdb"), VENDOR, "visits") if r["visit_date"] == FIRST_DAY}
    assert {visit.id for visit in expected} <= found


def test_recover(vendors: Sandbox) -> None:
    ended = leadhouse("recover", VENDOR)
    assert ended.exit_code == OK
    assert f"{VENDOR}: nothing was pending" in ended.stdout

    for job in left_by_a_killed_run(vendors).glob("new_jobs/visits.*.parquet"):
        job.write_bytes(b"no parquet")
    for _ in range(2):
        ended = leadhouse("sync", VENDOR)
        assert ended.exit_code == FAILED
        assert "could not be loaded" in ended.stdout
        assert "`leadhouse recover`" in ended.stdout
        assert "Traceback" not in ended.stderr
    ended = leadhouse("recover", VENDOR)
    assert ended.exit_code == OK
    assert f"{VENDOR}: 1 load package(s) cleared" in ended.stdout
    assert leadhouse("sync", VENDOR).exit_code == OK
    found = {r["id"] for r in rows_of(held("duckdb"), VENDOR, "visits") if r["account_id"] == "6001"}
    assert found == {visit.id for visit in vendors.world.history("6001").visits}


@pytest.mark.usefixtures("vendors")
def test_verify_says_what_differs(vendors: Sandbox) -> None:
    window = ("--from", FIRST_DAY.isoformat(), "--to", FIRST_DAY.isoformat())
    ended = leadhouse("verify", "leedo", *window)
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, "leadhouse.duckdb", "leadhouse sync")
    assert leadhouse("sync", "leedo").exit_code == OK
    ended = leadhouse("verify", "leedo", *window)
    assert ended.exit_code == OK, ended
    assert re.fullmatch(r"leedo: [\d,]+ rows compared, 0 differ", ended.stdout.splitlines()[-1])
    vendors.leedo.crm.add_crm_rows("campaigns", 1)
    ended = leadhouse("verify", "leedo", *window, "--json")
    assert ended.exit_code == FAILED
    [table] = [table for table in summary_of(ended)["tables"] if table["differ"]]
    assert (table["table"], table["differ"], table["differences"][0]["what"]) == ("campaigns", 1, "missing")
    for arguments in (["nobody", *window], ["leedo", "--from", "soon"], ["leedo", *window, "--stream", "nothing"]):
        ended = leadhouse("verify", *arguments)
        assert ended.exit_code == USAGE
        assert_one_sentence(ended, arguments[-1] if arguments[0] == "leedo" else "nobody")
