"""The client against recorded answers, at the vendor's documented address and without a network.

What is expected of the rows is read from the cassette, so that it holds for whoever was recorded.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import vcr

from sources.errors import AccessError
from sources.leedo import STREAMS
from sources.leedo.api import Api
from sources.meter import Meter
from tests.conftest import FakeClock
from tests.recorder import MATCH, Scrubber, load

from .recording import BEYOND, CALLS, CASSETTES, KEPT_TEXTS, LISTS, SIZE, WRONG_TOKEN, open_api, record

TOKEN = "a-token-of-the-tests"
TABLES = {stream.name: stream.tables[0] for stream in STREAMS}


@dataclass
class Tape:
    """A cassette that is replayed: what was recorded, and the client that asks."""

    client: Api
    asked: list[Any]
    answers: list[Any]
    meter: Meter


Replay = Callable[[str], Any]


@pytest.fixture
def replay(clock: FakeClock) -> Replay:
    @contextmanager
    def replaying(name: str) -> Iterator[Tape]:
        path = CASSETTES / f"{name}.yaml"
        asked, answers = load(path)
        session, client = open_api(TOKEN, clock)
        with (
            closing(session),
            vcr.use_cassette(str(path), record_mode=vcr.mode.NONE, match_on=MATCH) as cassette,
        ):
            yield Tape(client, asked, [json.loads(answer["body"]["string"]) for answer in answers], Meter())
            assert cassette.all_played

    return replaying


@pytest.mark.parametrize("name", LISTS)
def test_a_list_becomes_rows(replay: Replay, name: str) -> None:
    with replay(name) as found:
        page = found.client.page(name, 1, found.meter)
    parts = urlsplit(found.asked[0].uri)
    assert (parts.path, dict(parse_qsl(parts.query))) == (f"/v1/{name}", {"page": "1", "per_page": str(SIZE)})
    assert (page.items, page.total, page.size) == (found.answers[0]["data"], found.answers[0]["meta"]["total"], SIZE)
    rows = TABLES[name].rows(page.items, deleted_at=None).to_pylist()
    assert [row["id"] for row in rows] == page.ids
    for row, item in zip(rows, page.items, strict=True):
        assert set(item) <= set(row)
        assert row["created_at"].isoformat() == item["created_at"].replace("Z", "+00:00")
        assert (row["updated_at"], row["deleted_at"]) == (None, None)


@pytest.mark.parametrize("name", LISTS)
def test_a_detail_says_more_of_the_row(replay: Replay, name: str) -> None:
    with replay(f"{name}_details") as found:
        listed = found.client.page(name, 1, found.meter).items[0]
        row = found.client.detail(name, listed["id"], found.meter)
    assert row == found.answers[1]
    assert row.items() >= listed.items()
    assert set(row) - set(listed) == ({"phone", "updated_at"} if name == "leads" else {"updated_at"})


def test_beyond_the_end_there_is_nothing(replay: Replay) -> None:
    with replay("beyond_the_end") as found:
        assert found.client.page("leads", BEYOND, found.meter).items == []


def test_a_wrong_token_is_asked_for_once(replay: Replay) -> None:
    with replay("unauthorized") as found, pytest.raises(AccessError, match="/leads answered 401") as raised:
        found.client.page("leads", 1, found.meter)
    assert found.answers[0]["error"] in str(raised.value)
    assert (found.meter.requests, found.meter.retries) == (1, 0)


def test_a_429_is_waited_for(replay: Replay, clock: FakeClock) -> None:
    with replay("rate_limited") as found:
        assert found.client.page("leads", 1, found.meter).items == found.answers[1]["data"]
    assert (found.meter.requests, found.meter.retries) == (2, 1)
    assert sum(clock.slept) > 1


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
    asked, _ = load(path)
    assert {each.lower() for request in asked for each in request.headers} <= {"accept", "user-agent"}
    text = path.read_text().lower()
    for forbidden in ("authorization", "bearer", "sandbox-leedo-token", WRONG_TOKEN, "cookie", "127.0.0.1"):
        assert forbidden not in text
    assert {urlsplit(request.uri).netloc for request in asked} == {"api.leedo.app"}


def test_nothing_personal_is_recorded_of_the_vendor() -> None:
    lead = {
        "id": "550e8400",
        "name": "Ann Other",
        "email": "ann@example.org",
        "company": "Bakery",
        "phone": "+358401234567",
        "status": "new",
        "created_at": "2025-10-01T12:00:00Z",
        "note": "Some Street 1",
    }
    text = json.dumps(Scrubber(KEPT_TEXTS)({"data": [lead], "meta": {"total": 1}}))
    for personal in ("Ann", "example.org", "Bakery", "401234567", "Street"):
        assert personal not in text
    for kept in ("550e8400", "new", "2025-10-01T12:00:00Z"):
        assert kept in text
