"""The client against recorded answers, at the vendor's documented address and without a network.

What is expected of the rows is read from the cassette, so that it holds for whoever was recorded.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import vcr

from sources.errors import AccessError, CeilingError, NotEntitledError
from sources.leadfeeder import api, tables
from sources.leadfeeder.api import BASE_URL, Api
from sources.meter import Meter
from sources.streams import Account
from sources.windows import Days
from tests.conftest import FakeClock
from tests.recorder import load, tape

from .recording import CALLS, CASSETTES, MATCH, WRONG_KEY, kept, open_api, record

KEY = "a-key-of-the-tests"
# the fields that a row of each call has a column of its own for, or that stand in columns as they come
TABLES = {
    "accounts": tables.ACCOUNTS,
    "custom_feeds": tables.CUSTOM_FEEDS,
    "visitor_companies": tables.VISITOR_COMPANIES,
    "feed_companies": tables.FEED_COMPANIES,
    "tags": tables.TAGS,
    "usage": tables.USAGE,
}


@dataclass
class Tape:
    """A cassette that is replayed: what was recorded, and the client that asks."""

    client: Api
    account: Account
    days: Days
    asked: list[Any]
    answers: list[Any]
    meter: Meter

    def ask(self, name: str) -> Any:
        return CALLS[name].ask(self.client, self.account, self.days, self.meter)

    @property
    def rows(self) -> list[Any]:
        return [row for answer in self.answers for row in answer["data"]]


Replay = Callable[[str], Any]


def query_of(request: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.uri).query).items()}


def days_of(asked: list[Any]) -> Days:
    """The days that a cassette asks for, in a body, a query, or not at all."""
    for request in asked:
        body = json.loads(request.body) if request.body else {}
        named = {**query_of(request), **body}
        if "start_date" in named:
            return Days(date.fromisoformat(named["start_date"]), date.fromisoformat(named["end_date"]))
        if "start_period" in named:
            first = date.fromisoformat(f"{named['start_period']}-01")
            return Days(first, first)
    return Days(date(2026, 3, 17), date(2026, 3, 17))


@pytest.fixture
def replay(clock: FakeClock) -> Replay:
    @contextmanager
    def replaying(name: str) -> Iterator[Tape]:
        path = CASSETTES / f"{name}.yaml"
        asked, answers = load(path)
        session, client = open_api(KEY, clock)
        player = tape(BASE_URL, lambda document: document, BASE_URL, kept, vcr.mode.NONE)
        account = Account(next((query_of(each)["account_id"] for each in asked if "account_id" in query_of(each)), ""))
        documents = [json.loads(answer["body"]["string"]) for answer in answers]
        with closing(session), player.use_cassette(str(path), match_on=MATCH) as cassette:
            yield Tape(client, account, days_of(asked), asked, documents, Meter())
            assert cassette.all_played

    return replaying


@pytest.mark.parametrize("name", sorted(TABLES))
def test_rows_land_in_their_tables(replay: Replay, name: str) -> None:
    with replay(name) as found:
        answer = found.ask(name)
    items = answer if isinstance(answer[0], dict) else [item for page in answer for item in page.items]
    assert items == found.rows != []
    table = TABLES[name]
    span = {"window_start": found.days.first, "start_date": found.days.first, "end_date": found.days.last}
    given = {"account_id": found.account.id, "custom_feed_id": "all_leads", **span}
    rows = table.rows(items, **given).to_pylist()
    assert [row["id"] for row in rows] == [item["id"] for item in found.rows]
    for row, item in zip(rows, found.rows, strict=True):
        for field, value in item["attributes"].items():
            assert row[field] == (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            ), field


@pytest.mark.parametrize("name", ["visits", "visits_on_two_pages", "visits_of_a_country"])
def test_visits_are_asked_for_page_by_page(replay: Replay, name: str) -> None:
    with replay(name) as found:
        pages = found.ask(name)
    assert [page.items for page in pages] == [answer["data"] for answer in found.answers]
    assert len(pages) == (2 if name == "visits_on_two_pages" else 1)
    for number, request in enumerate(found.asked, start=1):
        assert (request.method, urlsplit(request.uri).path) == ("POST", "/v1/web-visits")
        assert query_of(request) == {"account_id": found.account.id, "page[size]": "100", "page[num]": str(number)}
        question: dict[str, Any] = {"start_date": str(found.days.first), "end_date": str(found.days.last)}
        if name == "visits_of_a_country":
            question["filters"] = {"location_country_codes": ["DE", "FI"]}
        assert json.loads(request.body) == question


def test_an_accounts_credits(replay: Replay) -> None:
    with replay("account") as found:
        account = found.ask("account")
    (row,) = tables.ACCOUNTS.rows([account]).to_pylist()
    told = found.rows[0]["attributes"]["credits"]
    assert row["credits_remaining"] == told["remaining"]
    assert row["credits_next_reset_on"] == date.fromisoformat(told["next_reset_on"])


def test_list_items_follow_the_cursor(replay: Replay) -> None:
    with replay("list_items") as found:
        items = found.ask("list_items")
    assert items == [row for answer in found.answers[1:] for row in answer["data"]]
    cursors = [query_of(request).get("page[cursor]") for request in found.asked[1:]]
    assert cursors == [None, *(api.paging(answer)["next_cursor"] for answer in found.answers[1:-1])]
    assert len(cursors) > 1


@pytest.mark.parametrize("name", ["company", "company_financials", "contacts"])
def test_what_an_answer_has_cost_is_counted(replay: Replay, name: str) -> None:
    with replay(name) as found:
        found.ask(name)
    assert found.meter.credits == sum(answer["meta"]["credits"]["charged"] for answer in found.answers) > 0


def test_a_429_is_waited_for_until_the_next_second(replay: Replay, clock: FakeClock) -> None:
    clock.move(timedelta(seconds=0.5))
    with replay("rate_limited") as found:
        assert found.ask("rate_limited") == found.answers[1]["data"]
    assert (found.meter.requests, found.meter.retries) == (2, 1)
    assert sum(clock.slept) == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize(
    ("name", "error", "ask"),
    [
        ("unauthorized", AccessError, lambda each: each.client.listed(api.ACCOUNTS, each.meter, by=None)),
        (
            "insufficient_entitlements",
            NotEntitledError,
            lambda each: each.client.listed(api.ACCOUNTS, each.meter, by=None),
        ),
        (
            "offset_exceeded",
            CeilingError,
            lambda each: list(each.client.visits(each.account, each.days, each.meter, ahead=1)),
        ),
    ],
)
def test_refusals_in_the_vendors_words(
    replay: Replay, name: str, error: type[Exception], ask: Callable[[Tape], object]
) -> None:
    with replay(name) as found, pytest.raises(error) as raised:
        ask(found)
    assert found.answers[0]["errors"][0]["title"] in str(raised.value)
    assert (found.meter.requests, found.meter.retries) == (1, 0)


# -- what a cassette may hold ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cassettes")
    record(folder, {})
    return folder


def test_there_is_a_cassette_for_every_call() -> None:
    assert {path.stem for path in CASSETTES.glob("*.yaml")} == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("fresh", [False, True], ids=["kept", "recorded again"])
def test_a_cassette_holds_no_secret_and_no_other_host(name: str, fresh: bool, recorded_again: Path) -> None:
    path = (recorded_again if fresh else CASSETTES) / f"{name}.yaml"
    asked, answers = load(path)

    assert {header.lower() for request in asked for header in request.headers} <= {"accept", "user-agent"}
    allowed = {"content-type", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
    assert {header.lower() for answer in answers for header in answer["headers"]} <= allowed
    text = path.read_text().lower()
    for forbidden in ("x-api-key", "set-cookie", "cookie:", "sandbox-leadfeeder-key", WRONG_KEY, "127.0.0.1"):
        assert forbidden not in text
    assert {urlsplit(request.uri).netloc for request in asked} == {"api.leadfeeder.com"}


def test_a_real_key_turns_to_the_vendor_only_for_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turned_to: dict[str, str] = {}

    def note(call: Any, path: Path, key: str, clock: Any, base_url: str, *_: object) -> None:
        turned_to[path.stem] = base_url

    monkeypatch.setattr("tests.leadfeeder.recording._record", note)
    monkeypatch.setattr(Api, "listed", lambda *_, **__: [{"id": "1"}])
    record(tmp_path, {"SOURCES__LEADFEEDER__API_KEY": "a-real-one"})
    free = {name for name, call in CALLS.items() if not (call.costs or call.trouble or call.crowded)}
    assert {name for name, base_url in turned_to.items() if base_url == BASE_URL} == free
    record(
        tmp_path, {"SOURCES__LEADFEEDER__API_KEY": "a-real-one", "SOURCES__LEADFEEDER__BASE_URL": "http://localhost"}
    )
    assert BASE_URL not in turned_to.values()
