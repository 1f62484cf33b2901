"""The client against recorded answers, at the vendor's documented address and without a network.

What is expected of the rows is read from the cassette, so that it holds for whoever was recorded.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import vcr

from sources.errors import AccessError, RequestError
from sources.leadsie import tables
from sources.leadsie.api import BASE_URL, Api
from sources.leadsie.connections import states, united
from sources.meter import Meter
from tests.conftest import FakeClock
from tests.recorder import Scrubber, load, tape

from .documented import NEWER
from .recording import CALLS, CASSETTES, KEPT_TEXTS, MATCH, NOBODY, WRONG_KEY, kept, open_api, record

KEY = "a-key-of-the-tests"


@dataclass
class Tape:
    """A cassette that is replayed: what was recorded, and the client that asks."""

    client: Api
    asked: list[Any]
    answers: list[Any]
    meter: Meter

    @property
    def connections(self) -> list[Any]:
        return list(self.answers[-1]["allConnections"])


Replay = Callable[[str], Any]


@pytest.fixture
def replay(clock: FakeClock) -> Replay:
    @contextmanager
    def replaying(name: str) -> Iterator[Tape]:
        path = CASSETTES / f"{name}.yaml"
        asked, answers = load(path)
        session, client = open_api(KEY, clock)
        player = tape(BASE_URL, lambda document: document, BASE_URL, kept, vcr.mode.NONE)
        with closing(session), player.use_cassette(str(path), match_on=MATCH) as cassette:
            yield Tape(client, asked, [json.loads(answer["body"]["string"]) for answer in answers], Meter())
            assert cassette.all_played

    return replaying


@pytest.mark.parametrize("name", ["connections", "newer_connections"])
def test_connections_become_rows(replay: Replay, name: str) -> None:
    with replay(name) as found:
        rows = found.client.status(None, found.meter)

    assert rows == found.connections
    connections = united(rows)
    assert len(connections) == len(rows) > 1
    listed = tables.CONNECTIONS.rows(connections)
    assert listed["user_id"].to_pylist() == [str(row["user"]) for row in rows]
    assert listed["status"].to_pylist() == [row["status"] for row in rows]
    times = [max(asset["time"] for asset in row["connectionAssets"])[:19] for row in rows]
    assert [time.isoformat()[:19] for time in listed["last_asset_time"].to_pylist()] == times
    assets = tables.CONNECTION_ASSETS.rows(connections)
    assert assets.num_rows == sum(len(row["connectionAssets"]) for row in rows)
    field, column = ("connectionStatus", "connection_status") if name.startswith("newer") else ("type", "type")
    assert sorted(assets[column].to_pylist()) == sorted(a[field] for row in rows for a in row["connectionAssets"])
    assert tables.CONNECTION_STATUS_HISTORY.rows(list(states(connections))).num_rows == len(rows) + assets.num_rows


def test_an_id_that_nobody_has(replay: Replay) -> None:
    with replay("connections_of_nobody") as found:
        assert found.client.status(NOBODY, found.meter) == []
    assert [json.loads(asked.body) for asked in found.asked] == [{"customUserId": NOBODY}]


def test_clients(replay: Replay) -> None:
    with replay("clients") as found:
        clients = found.client.clients(found.meter)
        rows = found.client.client(clients[0], found.meter)
    assert clients == found.answers[0]["clients"]
    assert [{name: row[name] for name in shown} for row, shown in zip(rows, found.connections, strict=True)] == (
        found.connections
    )
    assert {row["clientId"] for row in rows} == {clients[0]["clientId"]}


@pytest.mark.parametrize(
    ("name", "error", "status"), [("unauthorized", AccessError, 401), ("id_required", RequestError, 400)]
)
def test_refusals_in_the_vendors_words(replay: Replay, name: str, error: type[Exception], status: int) -> None:
    with replay(name) as found, pytest.raises(error, match=f"checkUserStatus answered {status}") as raised:
        found.client.status(None, found.meter)
    assert found.answers[0]["error"] in str(raised.value)
    assert (found.meter.requests, found.meter.retries) == (1, 0)


def test_a_429_is_waited_for(replay: Replay, clock: FakeClock) -> None:
    with replay("rate_limited") as found:
        assert found.client.status(None, found.meter) == found.connections
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
    for forbidden in ("apikey", "api-key", "api_key", "sandbox-leadsie-key", WRONG_KEY, "cookie", "127.0.0.1"):
        assert forbidden not in text
    assert {urlsplit(request.uri).netloc for request in asked} == {"app.leadsie.com"}


def test_a_key_that_is_said_back_leaves_no_cassette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.leadsie.recording.WRONG_KEY", "unused")
    monkeypatch.setitem(CALLS, "unauthorized", CALLS["connections"].__class__(CALLS["unauthorized"].ask, key="Invalid"))
    with pytest.raises(RuntimeError, match="unauthorized names the key"):
        record(tmp_path, {})
    assert not (tmp_path / "unauthorized.yaml").exists()


def test_nothing_personal_is_recorded_of_the_vendor() -> None:
    text = json.dumps(Scrubber(KEPT_TEXTS, {"user", "id"})({"allConnections": [NEWER | {"user": 770011}]}))
    for personal in ("770011", "Ann", "Bakery", "example.com/2002", "connect/3", "c8"):
        assert personal not in text
    assert "In progress" in text
    assert "2026-03-03T08:00:00.123Z" in text
