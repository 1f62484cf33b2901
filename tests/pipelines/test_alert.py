"""One message to Slack where a sync has not loaded all, none where it has; and the address of the hook stays secret."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from pipelines import alert
from pipelines.sync import StreamResult, Summary, VendorResult
from sandbox import Sandbox
from tests.conftest import NOW
from tests.pipelines.cli_process import FAILED, NO_PORT, OK, SECRET, TOKEN, USAGE, VENDOR, leadhouse

SETTING = "RUNTIME__SLACK_INCOMING_HOOK"
PATH = "/services/T00/B00/hidden-word"


class Slack:
    """Takes messages; answers with `status`, or not at all where it is None."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.messages: list[str] = []
        self.stopped = Event()
        slack = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == PATH
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                slack.messages.append(document["text"])
                if slack.status is None:
                    slack.stopped.wait(10)
                    return
                self.send_response(slack.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}{PATH}"


@pytest.fixture
def slack() -> Iterator[Slack]:
    slack = Slack()
    thread = Thread(target=slack.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield slack
    slack.stopped.set()
    slack.server.shutdown()
    slack.server.server_close()
    thread.join()


def test_what_is_not_loaded_is_told_once(vendors: Sandbox, slack: Slack) -> None:
    assert leadhouse("sync", VENDOR, "--alert-slack", slack.url).exit_code == OK
    assert slack.messages == []
    vendors.leadfeeder_legacy.options.account_status = {"6002": 403}
    ended = leadhouse("sync", VENDOR, "--alert-slack", slack.url, "--debug")
    assert ended.exit_code == FAILED
    [message] = slack.messages
    heading, *lines = message.splitlines()
    assert heading == "leadhouse sync into duckdb ended with exit code 1"
    assert all(line.startswith(f"• {VENDOR}, account 6002, ") for line in lines)
    [visits] = [line for line in lines if ", visits, " in line]
    # what was loaded before is read again
    days = r"\d{4}-\d\d-\d\d … \d{4}-\d\d-\d\d"
    assert re.match(rf"• {VENDOR}, account 6002, visits, {days}: failed: .*/visits answered 403", visits)
    assert "hidden-word" not in ended.stdout + ended.stderr


@pytest.mark.usefixtures("key")
def test_a_run_that_does_not_start_is_told_too(slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, slack.url)
    ended = leadhouse("sync", "--from", "soon")
    assert ended.exit_code == USAGE
    assert slack.messages == [
        "leadhouse sync did not start, or broke off\n• --from is 'soon', which is no day; give it as YYYY-MM-DD"
    ]
    assert TOKEN not in slack.messages[0]
    assert "hidden-word" not in ended.stderr


@pytest.mark.usefixtures("vendors")
def test_dlt_itself_posts_nothing(slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, slack.url)
    assert leadhouse("sync", VENDOR, "--stream", "custom_feeds").exit_code == OK
    assert slack.messages == []


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("404", "it answered 404"), ("silent", "no answer within 0.5 s"), ("gone", "ConnectionError")],
)
@pytest.mark.usefixtures("vendors")
def test_a_post_that_fails_is_one_line(
    slack: Slack, monkeypatch: pytest.MonkeyPatch, trouble: str, reason: str
) -> None:
    monkeypatch.setattr(alert, "PATIENCE", 0.5)
    monkeypatch.setenv(SECRET, "not-the-key")
    slack.status = 404 if trouble == "404" else None
    url = f"http://{NO_PORT}{PATH}" if trouble == "gone" else slack.url
    ended = leadhouse("sync", VENDOR, "--alert-slack", url, "--debug")
    assert ended.exit_code == FAILED
    [line] = [line for line in ended.stderr.splitlines() if "Slack" in line]
    assert f"WARNING pipelines.alert: the Slack message could not be delivered: {reason}; check --alert-slack" in line
    assert "hidden-word" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_interrupted_run_is_no_failure(slack: Slack) -> None:
    with pytest.raises(KeyboardInterrupt), alert.Alert(slack.url):
        raise KeyboardInterrupt
    assert slack.messages == []


def test_a_message_can_be_read(slack: Slack) -> None:
    """However much failed, and whatever Slack makes of it."""
    streams = [
        StreamResult(
            account_id=f"{number}",
            stream="visits",
            started_at=NOW,
            finished_at=NOW,
            status="skipped" if number == 0 else "failed",
            window_start="2026-03-01",
            window_end="2026-03-18",
            rows=0,
            requests=1,
            retries=0,
            seconds_waited=0,
            credits_charged=None,
            error=f"leadsie, account {number}, visits, 2026-03-01: <b> & {'long ' * 200}",
            notes=[],
        )
        for number in range(51)
    ]
    summary = Summary("run", "duckdb", NOW, vendors=[VendorResult("leadsie", streams)])
    with alert.Alert(slack.url) as told:
        told.tell(summary, None, FAILED)
    [message] = slack.messages
    _, first, *others, last = message.splitlines()
    prefix = "• leadsie, account 1, visits, 2026-03-01 … 2026-03-18: failed: 2026-03-01: &lt;b&gt; &amp; long "
    assert first.startswith(prefix)
    assert first.endswith(" …")
    assert len(others) == alert.MOST_LINES - 1
    assert last == f"… and {50 - alert.MOST_LINES} more"
    assert len(message) < 10_000
