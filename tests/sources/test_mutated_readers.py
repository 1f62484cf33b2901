"""Each vendor's readers, under answers that are documented but for one place: rows, or a named error; never neither."""

import copy
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.clock import Clock
from sources.errors import SourceError, TerminalError
from sources.leadfeeder import source as v1
from sources.leadfeeder.api import Api as V1Api
from sources.leadfeeder.reader import Reader as V1Reader
from sources.leadfeeder.visits import Visits
from sources.leadfeeder_legacy import api as legacy_api
from sources.leadfeeder_legacy import source as legacy
from sources.leadsie import api as leadsie_api
from sources.leadsie import source as leadsie
from sources.leedo import api as leedo_api
from sources.leedo import source as leedo
from sources.leedo.known import History, Known
from sources.pii import KEEP
from sources.session import Meter, Session
from sources.streams import Account, Slice, Stream
from sources.windows import Days

from .test_mutated import mutated

TESTS = Path(__file__).parents[1]
ACCOUNT = Account("6001")
DAY = date(2026, 3, 18)
REQUESTS = 20
# visits lie on the days that were asked for, connections are united, items are those of each list
ELSEWHERE = ("visits", "connections", "list_items")
Read = Callable[[Session], dict[str, int]]


class Said:
    """A session that is answered the same whatever it asks; who asks for ever is told to stop."""

    ahead = 2
    pool = ThreadPoolExecutor(2)

    def __init__(self, document: Any) -> None:
        self._document = document
        self._left = REQUESTS

    def get(self, path: str, params: object = None, *, meter: Meter, check: Callable[[Any], None]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise TerminalError("so many requests are too many")
        document = copy.deepcopy(self._document)
        check(document)
        return document

    def query(
        self, path: str, question: object, params: object = None, *, meter: Meter, check: Callable[[Any], None]
    ) -> Any:
        return self.get(path, params, meter=meter, check=check)


class Included:
    companies_include = "company"


def of(stream: Stream) -> Slice:
    """What one read of the stream covers."""
    match stream.by:
        case "vendor":
            return Slice()
        case "account":
            return Slice(ACCOUNT)
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
    """Every stream that is read (the others are waited for, or walked) with an answer to it."""
    for stream in legacy.STREAMS:
        if stream.by != "report":
            name = {"tracking_scripts": "tracking_script"}.get(stream.name, stream.name)
            document = sample("leadfeeder_legacy", name)
            yield f"leadfeeder_legacy.{stream.name}", document, _legacy(stream)
    for stream in v1.STREAMS:
        if stream.by != "walk" and not stream.optional:
            attributes: dict[str, Any] = VISIT if stream.name == "visits" else {"name": "A", "filters": []}
            yield f"leadfeeder.{stream.name}", v1_document(attributes, 1 if stream.by == "vendor" else 2), _v1(stream)
    yield "leadsie.connections", {"allConnections": [CONNECTION]}, _leadsie
    for stream in leedo.STREAMS:
        yield f"leedo.{stream.name}", sample("leedo", stream.name), _leedo(stream)


def _legacy(stream: Stream) -> Read:
    def read(session: Session) -> dict[str, int]:
        batch = legacy.Reader(legacy_api.Api(session), None).read(stream, of(stream), Meter())
        return {name: rows.num_rows for name, rows in batch.items()}

    return read


def _v1(stream: Stream) -> Read:
    def read(session: Session) -> dict[str, int]:
        api = V1Api(session, lambda charged: None)
        reader = V1Reader(api, Visits(api, Clock(), ""), None, Included())
        return {name: rows.num_rows for name, rows in reader.read(stream, of(stream), Meter()).items()}

    return read


def _leadsie(session: Session) -> dict[str, int]:
    api = leadsie_api.Api(session, "key", "/clients", "/client/{id}")
    batch = leadsie.Reader(api, (), clients=False).read(leadsie.STREAMS[0], Slice(), Meter())
    return {name: rows.num_rows for name, rows in batch.items()}


def _leedo(stream: Stream) -> Read:
    def read(session: Session) -> dict[str, int]:
        page = leedo_api.Api(session, page="page", per_page="per_page", size=100).page(stream.name, 1, Meter())
        known = Known(stream.tables[0], [], KEEP, History([]) if len(stream.tables) > 2 else None)
        known.listed(page.items, Clock().now())
        list(known.changes())
        return {stream.name: len(known.rows)}

    return read


CASES = {name: (document, read) for name, document, read in readers()}


@pytest.mark.parametrize("name", CASES)
def test_as_documented(name: str) -> None:
    document, read = CASES[name]
    found = read(cast(Session, Said(document)))
    assert all(found[table] for table in found if table == name.partition(".")[2]), found


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
    table = name.partition(".")[2]
    rows = changed.get("allConnections", changed.get("data"))
    rows = rows if isinstance(rows, list) else [rows]
    if table in found and table not in ELSEWHERE and all(isinstance(r.get("id"), str) for r in rows):
        assert found[table] == len({row["id"] for row in rows}) or found[table] == len(rows)
