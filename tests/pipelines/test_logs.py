"""What a sync logs where nobody watches it: a line for each event that matters, as text or as JSON."""

import json
import logging
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipelines.progress import JsonLines
from sandbox import Sandbox
from tests.pipelines.cli_process import FAILED, OK, TOKEN, USAGE, VENDOR, Ended, leadhouse, start


def logged(ended: Ended) -> list[dict[str, Any]]:
    """The log lines, each of which must be a JSON object with all it takes."""
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    for line in lines:
        assert datetime.fromisoformat(line["ts"]).utcoffset() == timedelta(0)
        assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR")
        assert line["logger"]
        assert line["message"]
    return lines


@pytest.mark.parametrize("more", [(), ("--debug",)])
def test_a_line_for_each_event(vendors: Sandbox, more: tuple[str, ...]) -> None:
    vendors.leadfeeder_legacy.options.account_status = {"6002": 403}
    ended = leadhouse("sync", VENDOR, "--json", "--log-json", *more)
    assert ended.exit_code == FAILED
    summary = json.loads(ended.stdout)
    lines = logged(ended)
    assert TOKEN not in ended.stderr
    said = [line["message"] for line in lines if line.get("vendor") == VENDOR]
    run = summary["run_id"]
    assert said[0] == f"{VENDOR}: run {run} begins"
    assert re.fullmatch(
        rf"{VENDOR}: run {run} ends: not all is loaded, {summary['rows']:,} rows, \d+ requests, \d+\.\d s", said[-1]
    )
    assert any(re.fullmatch(rf"{VENDOR}: a piece is loaded, [\d,]+ rows so far", each) for each in said)
    [visits] = [s for s in summary["vendors"][0]["streams"] if (s["account_id"], s["stream"]) == ("6001", "visits")]
    [told] = [each for each in said if each.startswith(f"{VENDOR}: visits of account 6001 is ")]
    assert re.search(rf" is ok: {visits['rows']} rows, {visits['requests']} requests, \d+\.\d s$", told)
    [refused] = [
        line
        for line in lines
        if line["message"].startswith(f"{VENDOR}, account 6002, visits, ") and "403" in line["message"]
    ]
    assert (refused["level"], refused["vendor"]) == ("WARNING", VENDOR)


@pytest.mark.usefixtures("vendors")
def test_every_stream_is_told_once() -> None:
    """However many pieces it takes."""
    ended = start("sync", VENDOR, "--json", piece=timedelta(milliseconds=300)).wait()
    assert ended.exit_code == OK
    assert ended.stderr.count(f": {VENDOR}: a piece is loaded, ") > 1
    [vendor] = json.loads(ended.stdout)["vendors"]
    for stream in vendor["streams"]:
        whose = f" of account {stream['account_id']}" if stream["account_id"] else ""
        assert ended.stderr.count(f": {VENDOR}: {stream['stream']}{whose} is ok: ") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["sync", "nobody"], USAGE, "there is no vendor 'nobody'"),
        (["status", "--max-wait", "soon"], USAGE, "--max-wait is 'soon'"),
        (["recover", "nobody"], USAGE, "there is no vendor 'nobody'"),
    ],
)
def test_a_failure_is_a_line_too(arguments: list[str], code: int, word: str) -> None:
    for more in ([], ["--debug"]):
        ended = leadhouse(*arguments, "--log-json", *more)
        assert ended.exit_code == code
        line = logged(ended)[-1]
        assert line["level"] == "ERROR"
        assert word in line["message"]
        assert ("Traceback" in line.get("traceback", "")) == bool(more)


@pytest.mark.parametrize(
    ("logger", "message", "vendor"),
    [
        ("sources.session", "/visits answered 429", None),
        ("sources.leadfeeder_legacy.api", "account 1: time zone", "leadfeeder_legacy"),
        ("pipelines.sync", "leedo is off: set it", "leedo"),
        ("sources.runs", "skipped: leadfeeder, account 1, tags: not bought", "leadfeeder"),
    ],
)
def test_the_vendor_of_a_line(logger: str, message: str, vendor: str | None) -> None:
    record = logging.LogRecord(logger, logging.INFO, "", 0, "%s", (message,), None)
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line.get("vendor")) == (message, vendor)
