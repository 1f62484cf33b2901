"""Each named trouble is what its name says, and meets the requests it was meant for."""

import signal
import subprocess
import sys
import time

import pytest
import requests

from sandbox import Fault, Sandbox
from tests.sandbox.client import Api, Clock, days

DAY = "2025-06-25"


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="no such fault: 'rain'; there are latency, status"):
        Fault("rain")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_status_with_the_vendors_body(api: Api, sandbox: Sandbox, status: int) -> None:
    sandbox.faults.add("status", status=status, retry_after=7, times=2)
    answers = [api.get("/accounts") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].json()["errors"][0]["title"]


def test_answers_of_another_kind(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.add("status", status=502)
    assert api.get("/accounts").text.startswith("<html>")
    sandbox.faults.add("html")
    answer = api.get("/accounts")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    sandbox.faults.add("wrong_shape")
    assert api.ok("/accounts") == {"status": "ok"}
    sandbox.faults.add("wrong_shape", body=[])
    assert api.ok("/accounts") == []
    sandbox.faults.add("status", status=403, body={"message": "no"})
    assert api.get("/accounts").json() == {"message": "no"}


@pytest.mark.parametrize("name", ["cut_headers", "cut_body", "short_body"])
def test_cuts(api: Api, sandbox: Sandbox, name: str) -> None:
    sandbox.faults.add(name)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api.get("/accounts")
    assert api.get("/accounts").status_code == 200


def test_a_stream_is_cut_where_it_should(api: Api, sandbox: Sandbox) -> None:
    exports = sandbox.leadfeeder_legacy.options.exports
    exports.pending_polls, exports.multiply = 0, 200
    form = {"account_id": "6001", "custom_feed_id": "all_leads", **days(DAY)}
    export = api.post("/export-requests", **form).json()["data"]["id"]
    url = api.ok(f"/export-requests/{export}")["data"]["attributes"]["download_url"]
    sandbox.faults.add("cut_body", path="/download/*", after=100_000)
    pieces: list[bytes] = []
    with requests.get(url, stream=True, timeout=5) as answer:
        # extend keeps what came before the error
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            pieces.extend(answer.iter_content(1000))
        assert 99_000 <= len(b"".join(pieces)) <= 100_000


def test_stall(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.add("stall", seconds=30)
    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        api.session.get(f"{api.base}/accounts", timeout=0.1)
    assert time.monotonic() - began < 5


def test_latency_uses_the_sleep_that_was_given(api: Api, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.faults.add("latency", seconds=40, times=2)
    sandbox.faults.add("status", status=500)
    began = clock()
    assert [api.get("/accounts").status_code for _ in range(2)] == [500, 200]
    assert clock() == began + 80


def test_limited_by_path_account_page_method_and_turn(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.add("status", status=500, path="*/visits", times=None)
    assert api.get("/accounts/6001/visits", **days(DAY)).status_code == 500
    assert api.get("/accounts/6001/leads", **days(DAY)).status_code == 200
    sandbox.faults.clear()
    sandbox.faults.add("status", status=500, account="6002", times=None)
    form = {"custom_feed_id": "all_leads", **days(DAY)}
    assert api.post("/export-requests", account_id="6002", **form).status_code == 500
    assert api.post("/export-requests", account_id="6001", **form).status_code == 200
    sandbox.faults.clear()
    sandbox.faults.add("status", status=500, page=2)
    codes = [api.get("/accounts/6001/leads", **days(DAY), **{"page[number]": page}).status_code for page in (1, 2, 2)]
    assert codes == [200, 500, 200]
    sandbox.faults.add("status", status=500, nth=3)
    assert [api.get("/accounts").status_code for _ in range(4)] == [200, 200, 500, 200]
    sandbox.faults.add("status", status=500, method="POST")
    assert api.get("/accounts").status_code == 200
    assert sandbox.faults.pending == [Fault("status", status=500, method="POST")]


def test_pages_that_move(api: Api, sandbox: Sandbox) -> None:
    def page(number: int) -> tuple[list[str], dict[str, str]]:
        answer = api.ok("/accounts/6001/visits", **days(DAY), **{"page[number]": number})
        return [row["id"] for row in answer["data"]], answer["links"]

    first, second = page(1), page(2)
    sandbox.faults.add("repeat_page", page=2)
    assert page(2) == (first[0], second[1])
    sandbox.faults.add("shift_page", page=2, rows=1)
    assert page(2)[0] == [first[0][-1], *second[0][:-1]]
    sandbox.faults.add("shift_page", page=2, rows=-1)
    assert page(2)[0][:-1] == second[0][1:]
    sandbox.faults.add("loop_link", page=2)
    looped = page(2)
    assert looped[0] == second[0]
    assert looped[1]["next"] == looped[1]["self"]
    assert page(2) == second


def test_control_from_another_process(api: Api, sandbox: Sandbox) -> None:
    def act(action: str, **arguments: object) -> requests.Response:
        return requests.post(f"{sandbox.url}/_sandbox/{action}", json=arguments, timeout=5)

    added = act("add_visits", account_id="6001", day=DAY, n=3).json()["result"]
    assert set(added) <= {row["id"] for row in api.walk("/accounts/6001/visits", DAY, DAY)}
    act("fault", fault="status", status=503)
    assert api.get("/accounts").status_code == 503
    act("options", vendor="leadfeeder_legacy", day_zone="utc", exports={"pending_polls": 4})
    assert sandbox.leadfeeder_legacy.options.day_zone == "utc"
    assert sandbox.leadfeeder_legacy.options.exports.pending_polls == 4
    assert act("options", vendor="leadfeeder_legacy", colour="red").status_code == 400
    assert act("explode").status_code == 400
    seen = requests.get(f"{sandbox.url}/_sandbox/requests", timeout=5).json()
    assert seen[-1]["path"] == "/accounts"
    assert requests.get(f"{sandbox.url}/_sandbox/settings", timeout=5).json() == sandbox.settings()
    act("clear_requests")
    assert len(sandbox.requests) == 0


def test_served_by_itself() -> None:
    command = [sys.executable, "-m", "sandbox", "--today", "2025-06-30", "--days", "3", "--accounts", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            lines = [served.stdout.readline() for _ in range(2)]
            settings = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
            answer = requests.get(
                settings["SOURCES__LEADFEEDER_LEGACY__BASE_URL"] + "/accounts",
                headers={"Authorization": f"Token token={settings['SOURCES__LEADFEEDER_LEGACY__API_TOKEN']}"},
                timeout=5,
            )
            assert [row["id"] for row in answer.json()["data"]] == ["6001"]
            served.send_signal(signal.SIGINT)
            served.wait(timeout=5)
        finally:
            served.kill()
    assert served.returncode == 0


def test_requests_are_noted(api: Api, sandbox: Sandbox) -> None:
    api.get("/accounts/6001/leads", **days(DAY))
    api.post("/export-requests", account_id="6001", custom_feed_id="all_leads", **days(DAY))
    assert sandbox.requests.count("/accounts/6001/leads", vendor="leadfeeder_legacy", query={"start_date": DAY}) == 1
    (posted,) = sandbox.requests.find(method="POST")
    assert "custom_feed_id=all_leads" in posted.body
    assert posted.status == 200
    assert "authorization" in posted.headers
