"""Each vendor's readers, under answers that are documented but for one place: rows, or a named error; never neither."""

import copy
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.clock import Clock
from sources.errors import AnswerError, SourceError, TerminalError
from sources.lanes import Lane
from sources.leadfeeder import source as v1
from sources.leadfeeder.api import Api as V1Api
from sources.leadfeeder.reader import Reader as V1Reader
from sources.leadfeeder.records import Records
from sources.leadfeeder.visits import Visits
from sources.leadfeeder_legacy import api as legacy_api
from sources.leadfeeder_legacy import source as legacy
from sources.leadfeeder_legacy.visits import Visits as LegacyVisits
from sources.leadsie import api as leadsie_api
from sources.leadsie import source as leadsie
from sources.ledger import MemoryLedger
from sources.leedo import api as leedo_api
from sources.leedo import source as leedo
from sources.leedo.known import History, Known
from sources.leedo.walk import Walk
from sources.meter import Meter
from sources.pii import KEEP
from sources.runs import Run
from sources.session import Session
from sources.streams import Account, Slice, Stream
from sources.windows import Days

from .test_mutated import mutated

TESTS = Path(__file__).parents[1]
ACCOUNT = Account("6001")
DAY = date(2026, 3, 18)
REQUESTS = 20
# visits lie on the days that were asked for, connections are united, items are those of a list
ELSEWHERE = ("visits", "connections", "list_items")
Read = Callable[[Session], dict[str, int]]


class Said:
    """A session that is answered the same whatever it asks; who asks for ever is told to stop."""

    ahead = 2
    pool = ThreadPoolExecutor(2)

    def __init__(self, document: Any) -> None:
        self._document = document
        self._left = REQUESTS

    def get(
        self,
        path: str,
        params: object = None,
        *,
        meter: Meter,
        check: Callable[[Any], None],
        read: Callable[[bytes], Any] | None = None,
    ) -> Any:
        self._left -= 1
        if self._left < 0:
            raise TerminalError("so many requests are too many")
        try:
            document = read(json.dumps(self._document).encode()) if read else copy.deepcopy(self._document)
        except ValueError:
            raise AnswerError("no JSON") from None
        check(document)
        return document

    def query(
        self, path: str, question: object, params: object = None, *, meter: Meter, check: Callable[[Any], None]
    ) -> Any:
        return self.get(path, params, meter=meter, check=check)


class Options:
    """Each stream of `/v1` whose path is not published has one."""

    companies_include = "company"

    def __getattr__(self, name: str) -> str | None:
        stream = next((stream for stream in v1.STREAMS if stream.optional == name), None)
        return f"/{stream.name}" if stream else None


class Strict:
    """Lanes of which none may fail."""

    def fail(self, lane: Lane, error: SourceError, of: object, *, stop: bool = True) -> None:
        raise error


class Piece:
    """A run whose piece has no end."""

    spent = False
    lanes = Strict()


class Credits:
    left, price = 1_000, 1


def of(stream: Stream) -> Slice:
    """What one read of the stream covers."""
    match stream.by:
        case "vendor":
            return Slice()
        case "account":
            return Slice(ACCOUNT, part="0" if stream.parted else None)
        case "window":
            return Slice(ACCOUNT, Days(DAY, DAY), DAY.replace(day=1), "7" if stream.parted else None)
    return Slice(ACCOUNT, Days(DAY, DAY))


def sample(vendor: str, name: str) -> Any:
    document = json.loads((TESTS / vendor / "samples" / f"{name}.json").read_text())
    # all of it on one page
    document.pop("links", None)
    if name == "visits":
        for visit in document["data"]:
            visit["attributes"]["date"] = f"{DAY}"
    return document


def v1_document(attributes: dict[str, Any], rows: int = 2) -> dict[str, Any]:
    place = {"id": "p", "type": "location", "attributes": {"country": "Finland"}}
    ends = {"company": {"id": "159", "type": "company", "attributes": {"name": "A", "url": None}}, "location": place}
    data = [{"id": f"{n}", "type": "row", "attributes": attributes, "relationships": ends} for n in range(rows)]
    return {"data": data, "meta": {"pagination": {"page_num": 1, "page_count": 1, "total_count": rows}}}


VISIT = {
    "started_at": "2026-03-18T10:00:00Z",
    "visit_length": 3,
    "page_depth": 1,
    "engagements": [{"page": {"path": "/", "title": "Home"}, "time_on_page": 3}],
}
CLIENT = {"clientId": "7", "customUserId": "a", "name": "A"}
CONNECTION = {
    "user": 7,
    "customUserId": "a",
    "requestUrl": "https://app.example/1",
    "requestName": "A",
    "accessLevel": "admin",
    "status": "SUCCESS",
    "connectionAssets": [
        {"type": "Page", "name": "A", "id": "1", "isSuccess": True, "message": "", "time": "2026-03-18T10:00:00Z"}
    ],
}


def readers() -> Iterator[tuple[str, Any, Read]]:
    """Every stream with an answer to it, but those that are waited for: their reports have a test of their own."""
    for stream in legacy.STREAMS:
        if stream.by != "report":
            name = {"tracking_scripts": "tracking_script"}.get(stream.name, stream.name)
            document = sample("leadfeeder_legacy", name)
            yield f"leadfeeder_legacy.{stream.name}", document, _legacy(stream)
    for stream in v1.STREAMS:
        attributes: dict[str, Any] = VISIT if stream.name == "visits" else {"name": "A", "filters": []}
        if stream.by == "walk":
            record = v1_document(attributes, 1)
            yield f"leadfeeder.{stream.name}", {"data": record["data"][0]}, _record(stream)
        else:
            rows = 1 if stream.name == "accounts" else 2
            yield f"leadfeeder.{stream.name}", v1_document(attributes, rows), _v1(stream)
    connections = {"allConnections": [CONNECTION]}
    yield "leadsie.connections", connections, partial(_leadsie, clients=False)
    # the same answer for the clients and for each of them
    yield "leadsie.connections of clients", connections | {"clients": [CLIENT]}, partial(_leadsie, clients=True)
    for stream in leedo.STREAMS:
        document = sample("leedo", stream.name)
        document["meta"] |= {"total": len(document["data"]), "per_page": len(document["data"])}
        yield f"leedo.{stream.name}", document, _leedo(stream)
        yield f"leedo.{stream.name} in detail", sample("leedo", stream.name.removesuffix("s")), _detail(stream)


def _legacy(stream: Stream) -> Read:
    def read(session: Session) -> dict[str, int]:
        api = legacy_api.Api(session)
        batch = legacy.Reader(api, LegacyVisits(api, Clock()), None).read(stream, of(stream), Meter())
        return {name: rows.num_rows for name, rows in batch.items()}

    return read


def _v1(stream: Stream) -> Read:
    def read(session: Session) -> dict[str, int]:
        api = V1Api(session, lambda charged: None)
        reader = V1Reader(api, Visits(api, Clock(), ""), None, Options())
        return {name: rows.num_rows for name, rows in reader.read(stream, of(stream), Meter()).items()}

    return read


def _record(stream: Stream) -> Read:
    def read(session: Session) -> dict[str, int]:
        api, clock = V1Api(session, lambda charged: None), Clock()
        records = Records(
            api, MemoryLedger(), cast(Any, Credits()), clock, max_age=timedelta(days=90), ips=(), visitors={}
        )
        lane, table = Lane(stream.name, ACCOUNT, clock.now()), stream.tables[0]
        [chunk] = records._ask(cast(Run, Piece()), lane, ["0"], records._asking(f"/{stream.name}/{{}}", lane))
        return {stream.name: table.rows(chunk.items, account_id=ACCOUNT.id, read_at=clock.now()).num_rows}

    return read


def _leadsie(session: Session, *, clients: bool) -> dict[str, int]:
    reader = leadsie.Reader(leadsie_api.Api(session, "key", "/clients", "/client/{id}"), (), clients=clients)
    reader.first(Meter())
    batch = reader.read(leadsie.STREAMS[0], Slice(), Meter())
    return {name: rows.num_rows for name, rows in batch.items()}


def _of_leedo(session: Session, stream: Stream) -> tuple[leedo_api.Api, Known]:
    api = leedo_api.Api(session, page="page", per_page="per_page", size=100)
    return api, Known(stream.tables[0], [], KEEP, History([]) if History.table in stream.tables else None)


def _leedo(stream: Stream) -> Read:
    def read(session: Session) -> dict[str, int]:
        api, known = _of_leedo(session, stream)
        walk = Walk(stream.name, known, partial(api.page, stream.name), Clock(), incremental=False)
        assert walk.read(cast(Run, Piece()), Lane(stream.name, None, Clock().now()), Said.pool, 2)
        list(walk.changes({}, api.size))
        return {stream.name: len(known.rows)}

    return read


def _detail(stream: Stream) -> Read:
    """A row that a list has shown, and nothing of it but its id."""
    row_id = str(sample("leedo", stream.name.removesuffix("s"))["id"])

    def read(session: Session) -> dict[str, int]:
        api, known = _of_leedo(session, stream)
        known.listed([{"id": row_id}], Clock().now())
        known.detailed(api.detail(stream.name, row_id, Meter()), Clock().now())
        list(known.changes())
        return {stream.name: len(known.rows)}

    return read


CASES = {name: (document, read) for name, document, read in readers()}


def table_of(name: str) -> str:
    return name.partition(".")[2].split()[0]


@pytest.mark.parametrize("name", CASES)
def test_as_documented(name: str) -> None:
    document, read = CASES[name]
    found = read(cast(Session, Said(document)))
    assert all(found[table] for table in found if table == table_of(name)), found


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated(name: str, data: st.DataObject) -> None:
    document, read = CASES[name]
    changed = data.draw(mutated(document))
    try:
        found = read(cast(Session, Said(changed)))
    except SourceError:
        return
    table = table_of(name)
    if "detail" in name or table not in found:
        return
    # Leadsie's clients may be listed without a name
    rows = changed.get("allConnections", changed.get("data")) if isinstance(changed, dict) else changed
    rows = rows if isinstance(rows, list) else [rows] if rows is not None else []
    if table not in ELSEWHERE and all(isinstance(r.get("id"), str) for r in rows):
        assert found[table] == len({row["id"] for row in rows}) or found[table] == len(rows)
