"""What an answer's links say of the pages after it, in every form that JSON:API and the document allow."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from sources.budget import Budget, Limit
from sources.leadfeeder_legacy import api
from sources.leadfeeder_legacy.api import Api
from sources.meter import Meter
from sources.session import Session
from sources.streams import Account
from sources.windows import Days
from tests.conftest import FakeClock
from tests.sources.scripted import Answer, Server

DAY = date(2026, 3, 18)
ROWS = 250
NEXT = "https://elsewhere.example/leads?page%5Bnumber%5D=2&page%5Bsize%5D=100"
LAST = "https://elsewhere.example/leads?page%5Bnumber%5D=3&page%5Bsize%5D=100"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


def page(number: int, links: Any) -> Answer:
    data = [{"id": f"{n}", "type": "leads"} for n in range(ROWS)[100 * (number - 1) : 100 * number]]
    return Answer(200, orjson.dumps({"data": data, "links": links}))


@pytest.mark.parametrize(
    "links",
    [
        {"self": NEXT, "next": NEXT, "last": LAST},
        {"next": {"href": NEXT, "meta": {}}, "last": {"href": LAST}},
        {"next": NEXT.replace("%", "%25"), "last": LAST.replace("%", "%25")},
        {"next": "https://elsewhere.example/leads?page%5Bafter%5D=abc"},
        # the first page names itself as the last
        {"next": NEXT, "last": LAST.replace("3", "1")},
        {"self": NEXT},
        {},
        [],
        None,
    ],
    ids=str,
)
def test_every_page_is_read(server: Server, clock: FakeClock, links: Any) -> None:
    ended = {"self": LAST, "last": LAST} if links and "last" in links else links if not links else {"self": LAST}
    following = {**links, "next": NEXT.replace("2", "3", 1)} if isinstance(links, dict) and "next" in links else links
    server.answers = [page(1, links), page(2, following), page(3, ended), Answer(404)]
    session = Session(
        base_url=server.url,
        auth=None,
        secrets=(),
        budget=Budget(Limit(1000, timedelta(minutes=1)), clock=clock),
        clock=clock,
        read_error=api.read_error,
        workers=1,
    )
    pages = Api(session).pages(api.LEADS, Account("1"), Days(DAY, DAY), Meter(), ceiling=True, ahead=1)
    assert [len(each.items) for each in pages] == [100, 100, 50]
    assert [seen.query["page[number]"] for seen in server.seen] == ["1", "2", "3"]
    session.close()
