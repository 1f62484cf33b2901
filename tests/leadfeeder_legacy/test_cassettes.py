"""The client against recorded answers, at the vendor's documented address and without a network.

What is expected of the rows is read from the cassette, so that it holds for whoever was recorded.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
import requests
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException

from sources.errors import AccessError
from sources.keys import HeaderAuth
from sources.leadfeeder_legacy import api, tables
from sources.leadfeeder_legacy.api import Api
from sources.leadfeeder_legacy.rows import rows_of_pages
from sources.meter import Meter
from sources.pages import Page
from sources.streams import Account
from sources.tables import Table
from sources.transport import user_agent
from sources.windows import Days
from tests.conftest import FakeClock
from tests.recorder import CALLS, CASSETTES, MATCH, SECRET, WRONG_TOKEN, Scrubber, load, open_session, record

TOKEN = "a-token-of-the-tests"
NAMES = sorted(CALLS)


class Noted(HeaderAuth):
    """The token's header, and a note of every request that it is set in."""

    def __init__(self, asked: list[requests.PreparedRequest]) -> None:
        super().__init__("Authorization", f"Token token={TOKEN}")
        self._asked = asked

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._asked.append(request)
        return super().__call__(request)


@dataclass
class Tape:
    """A cassette that is replayed: what was recorded, and what the client asks meanwhile."""

    client: Api
    account: Account
    days: Days
    statuses: list[int]
    recorded: list[Any]
    asked: list[requests.PreparedRequest] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)

    @property
    def rows(self) -> list[Any]:
        """The recorded rows, in the order of their pages."""
        return [row for document in self.recorded for row in document.get("data", [])]

    def pages(self, endpoint: api.Endpoint) -> list[Page]:
        pages = self.client.pages(endpoint, self.account, self.days, self.meter, ceiling=endpoint.ceiling, ahead=1)
        return list(pages)

    def rows_of(self, endpoint: api.Endpoint, pages: list[Page], *filled: Table) -> list[pa.Table]:
        given = {"account_id": self.account.id, "date": self.days.first}
        rows = rows_of_pages(filled, endpoint, iter(pages), self.account, **given)
        return [rows[table.name] for table in filled]


@pytest.fixture
def replay(clock: FakeClock) -> Callable[[str], Any]:
    @contextmanager
    def replaying(name: str) -> Iterator[Tape]:
        path = CASSETTES / f"{name}.yaml"
        recorded, answers = load(path)
        account = re.match(r"/accounts/([^/]+)/", urlsplit(recorded[0].uri).path)
        query = parse_qs(urlsplit(recorded[0].uri).query)
        first, last = (query.get(bound, ["2026-01-01"])[0] for bound in ("start_date", "end_date"))
        asked: list[requests.PreparedRequest] = []
        with closing(open_session(TOKEN, clock, auth=lambda _: Noted(asked), workers=8)) as session:
            tape = Tape(
                Api(session),
                Account(account[1] if account else ""),
                Days(date.fromisoformat(first), date.fromisoformat(last)),
                [answer["status"]["code"] for answer in answers],
                [json.loads(answer["body"]["string"]) for answer in answers],
                asked,
            )
            with vcr.use_cassette(str(path), record_mode=vcr.mode.NONE, match_on=MATCH) as cassette:
                yield tape
                assert cassette.all_played

    return replaying


def path_and_query(request: requests.PreparedRequest) -> tuple[str, dict[str, str]]:
    parts = urlsplit(str(request.url))
    return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}


# -- what is asked, and what comes of it -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_request_is_a_get_that_names_the_application_and_carries_the_token(
    replay: Callable[[str], Any], name: str
) -> None:
    with replay(name) as tape:
        CALLS[name].ask(tape.client, tape.account, tape.days)

    assert len(tape.asked) == len(tape.recorded)
    for request in tape.asked:
        assert request.method == "GET"
        assert request.body is None
        assert str(request.url).startswith("https://api.leadfeeder.com/accounts")
        assert request.headers["User-Agent"] == user_agent()
        assert user_agent().startswith("leadhouse")
        assert request.headers["Authorization"] == f"Token token={TOKEN}"


def test_accounts(replay: Callable[[str], Any]) -> None:
    with replay("accounts") as tape:
        found = tape.client.accounts(tape.meter)

    assert [path_and_query(request) for request in tape.asked] == [("/accounts", {})]
    assert found == tape.rows
    assert found
    accounts = api.parse_accounts(found)
    assert [account.id for account in accounts] == [row["id"] for row in tape.rows]
    assert all(account.zone for account in accounts)
    assert tables.ACCOUNTS.rows(found)["timezone"].to_pylist() == [row["attributes"]["timezone"] for row in tape.rows]


def test_custom_feeds(replay: Callable[[str], Any]) -> None:
    with replay("custom_feeds") as tape:
        found = tape.client.custom_feeds(tape.account, tape.meter)

    assert [path_and_query(request) for request in tape.asked] == [(f"/accounts/{tape.account.id}/custom-feeds", {})]
    assert found == tape.rows
    criteria = [criterion for feed in tape.rows for criterion in feed["attributes"]["criteria"]]
    parsed = tables.CUSTOM_FEED_CRITERIA.rows(found, account_id=tape.account.id)
    assert parsed["search_value"].to_pylist() == [str(criterion["search_value"]) for criterion in criteria]
    assert parsed["excluded"].to_pylist() == [criterion["excluded"] for criterion in criteria]


def test_tracking_script(replay: Callable[[str], Any]) -> None:
    with replay("tracking_script") as tape:
        found = tape.client.tracking_scripts(tape.account, tape.meter)

    path = f"/accounts/{tape.account.id}/website-tracking-script"
    assert [path_and_query(request) for request in tape.asked] == [(path, {})]
    assert found == [tape.recorded[0]["data"]]
    (script,) = tables.TRACKING_SCRIPTS.rows(found, account_id=tape.account.id).to_pylist()
    assert script == {"account_id": tape.account.id, "id": found[0]["id"], **found[0]["attributes"]}


@pytest.mark.parametrize(
    ("name", "endpoint", "path"),
    [
        ("leads", api.LEADS, "/accounts/{}/leads"),
        ("visits", api.VISITS, "/accounts/{}/visits"),
        ("visits_without_links", api.VISITS, "/accounts/{}/visits"),
    ],
)
def test_every_page_of_a_window_is_asked_for_once(
    replay: Callable[[str], Any], name: str, endpoint: api.Endpoint, path: str
) -> None:
    with replay(name) as tape:
        pages = tape.pages(endpoint)

    asked = sorted((path_and_query(request) for request in tape.asked), key=lambda each: int(each[1]["page[number]"]))
    last = parse_qs(urlsplit(tape.recorded[0].get("links", {}).get("last", "")).query)
    assert last.get("page[number]") == ([str(len(tape.recorded))] if "links" in tape.recorded[0] else None)
    assert asked == [
        (
            path.format(tape.account.id),
            {
                "start_date": tape.days.first.isoformat(),
                "end_date": tape.days.last.isoformat(),
                "page[size]": "100",
                "page[number]": str(number),
            },
        )
        for number in range(1, len(tape.recorded) + 1)
    ]
    assert [json.loads(page.document.content) for page in pages] == tape.recorded
    assert [[item.id for item in page.items] for page in pages] == [
        [row["id"] for row in document["data"]] for document in tape.recorded
    ]


def test_leads_become_rows(replay: Callable[[str], Any]) -> None:
    with replay("leads") as tape:
        pages = tape.pages(api.LEADS)

    # the last page has no next one
    assert ["next" in document["links"] for document in tape.recorded] == [True] * (len(pages) - 1) + [False]
    leads, days = tape.rows_of(api.LEADS, pages, tables.LEADS, tables.LEAD_DAYS)
    assert days["lead_id"].to_pylist() == [row["id"] for row in tape.rows]
    assert days["visits"].to_pylist() == [row["attributes"]["visits"] for row in tape.rows]
    assert set(days["date"].to_pylist()) == {tape.days.first}
    revenues = [row["attributes"]["revenue"] for row in tape.rows]
    amounts = leads["revenue_amount"].to_pylist()
    assert [amount and float(amount) for amount in amounts] == [text and float(text.split()[1]) for text in revenues]
    places = {place["id"] for document in tape.recorded for place in document["included"]}
    assert set(leads["location_id"].to_pylist()) == places


@pytest.mark.parametrize(("name", "linked"), [("visits", True), ("visits_without_links", False)])
def test_visits_become_rows_with_and_without_links(replay: Callable[[str], Any], name: str, linked: bool) -> None:
    with replay(name) as tape:
        pages = tape.pages(api.VISITS)

    assert all(("links" in document) == linked for document in tape.recorded)
    parsed, routes = tape.rows_of(api.VISITS, pages, tables.VISITS, tables.VISIT_PAGES)
    assert parsed["id"].to_pylist() == [row["id"] for row in tape.rows]
    assert set(parsed["visit_date"].to_pylist()) <= set(tape.days)
    assert parsed["lf_client_id"].to_pylist() == [str(row["attributes"]["lf_client_id"]) for row in tape.rows]
    assert routes.num_rows == sum(len(row["attributes"]["visit_route"]) for row in tape.rows)


def test_a_wrong_token_is_asked_for_once(replay: Callable[[str], Any]) -> None:
    with replay("unauthorized") as tape, pytest.raises(AccessError, match="/accounts answered 401") as refused:
        tape.client.accounts(tape.meter)

    assert tape.recorded[0]["errors"][0]["title"] in str(refused.value)
    assert (tape.meter.requests, tape.meter.retries) == (1, 0)


def test_a_429_is_waited_for_until_the_next_full_minute(replay: Callable[[str], Any], clock: FakeClock) -> None:
    clock.move(timedelta(seconds=20))
    with replay("rate_limited") as tape:
        found = tape.client.accounts(tape.meter)

    assert tape.statuses == [429, 200]
    assert found == tape.recorded[1]["data"]
    assert (tape.meter.requests, tape.meter.retries) == (2, 1)
    assert sum(clock.slept) == pytest.approx(40.1, abs=0.01)


def test_what_was_not_recorded_is_refused(replay: Callable[[str], Any]) -> None:
    with replay("accounts") as tape:
        tape.client.accounts(tape.meter)
        with pytest.raises(CannotOverwriteExistingCassetteException):
            tape.client.custom_feeds(Account("6001"), tape.meter)


# -- what a cassette may hold ------------------------------------------------------------------------------------------


def headers_of(messages: list[dict[str, Any]]) -> set[str]:
    return {name.lower() for headers in messages for name in headers}


@pytest.fixture(scope="module")
def recorded_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cassettes")
    record(folder, {})
    return folder


def test_there_is_a_cassette_for_every_call() -> None:
    assert {path.stem for path in CASSETTES.glob("*.yaml")} == set(CALLS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fresh", [False, True], ids=["kept", "recorded again"])
def test_a_cassette_holds_no_secret_and_no_other_host(name: str, fresh: bool, recorded_again: Path) -> None:
    path = (recorded_again if fresh else CASSETTES) / f"{name}.yaml"
    asked, answers = load(path)

    assert headers_of([request.headers for request in asked]) <= {"accept", "user-agent"}
    allowed = {"content-type", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
    assert headers_of([answer["headers"] for answer in answers]) <= allowed
    text = path.read_text().lower()
    for forbidden in ("authorization", "token=", "set-cookie", "cookie:", "sandbox-legacy-token", WRONG_TOKEN):
        assert forbidden not in text
    assert "127.0.0.1" not in text
    assert {urlsplit(request.uri).netloc for request in asked} == {"api.leadfeeder.com"}


def test_a_real_token_turns_to_the_vendor_only_without_another_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned_to: list[str] = []
    monkeypatch.setattr("tests.recorder._from_vendor", lambda token, folder: turned_to.append("vendor"))
    monkeypatch.setattr("tests.recorder._from_sandbox", lambda name, path: turned_to.append(name))

    record(tmp_path, {SECRET: "a-real-one", "SOURCES__LEADFEEDER_LEGACY__BASE_URL": "http://127.0.0.1:1"})
    assert turned_to == list(CALLS)

    turned_to.clear()
    record(tmp_path, {SECRET: "a-real-one"})
    assert turned_to == ["visits_without_links", "rate_limited", "vendor"]


def test_nothing_personal_is_recorded_of_the_vendor() -> None:
    visit = {
        "id": "v1",
        "attributes": {
            "lead_id": "l1",
            "started_at": "2026-03-17T10:00:00.000Z",
            "hour": 10,
            "visitor_email": "ann.other@company.com",
            "visitor_first_name": "Ann",
            "phone": "+358401234567",
            "emailed_to": "ann.other@company.com,bo@company.com",
            "keyword": "ann other",
            "lf_client_id": 77001122,
            "ga_client_ids": ["770011.220011"],
            "adobe_cookies": [{"MCMID": "681245"}],
            "revenue": "EUR 395752792.0",
            "a_field_of_tomorrow": "Ann Other, Some Street 1",
            "visit_route": [
                {"page_path": "/?email=ann.other@company.com", "previous_page_path": "(entrance)"},
                {"page_path": "/ann", "previous_page_path": "/other"},
                {"page_path": "/other", "previous_page_path": "/ann"},
            ],
        },
    }

    scrubbed = Scrubber()(visit)

    text = json.dumps(scrubbed).lower()
    for personal in ("ann", "other", "bo@", "company.com", "401234567", "770011", "681245", "street", "395752792"):
        assert personal not in text
    attributes = scrubbed["attributes"]
    assert (scrubbed["id"], attributes["lead_id"], attributes["hour"]) == ("v1", "l1", 10)
    assert attributes["started_at"] == visit["attributes"]["started_at"]  # type: ignore[index]
    assert isinstance(attributes["lf_client_id"], int)
    # equal texts stay equal
    assert attributes["emailed_to"].split(",")[0] == attributes["visitor_email"]
    assert attributes["visit_route"][1]["page_path"] == attributes["visit_route"][2]["previous_page_path"]
