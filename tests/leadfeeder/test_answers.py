"""The document's own answers, and every form that answers and refusals come in."""

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from math import ceil
from typing import Any

import pytest

from pipelines.warehouse import Warehouse
from sandbox import World
from sources.budget import Budget
from sources.errors import (
    AccessError,
    AnswerError,
    CeilingError,
    NotEntitledError,
    QuotaError,
    RequestError,
    SourceError,
)
from sources.leadfeeder import api, tables
from sources.leadfeeder.api import IDLE_PAGES, Api
from sources.leadfeeder.visits import flat
from sources.meter import Meter
from sources.streams import Account
from sources.windows import Days
from tests.conftest import FakeClock
from tests.reading import rows_of
from tests.sources.scripted import Answer, Server

from .conftest import VENDOR, Run, Serve, assert_equal, results, setting
from .recording import open_api

duckdb_only = pytest.mark.parametrize("destination", ["duckdb"])
REQUEST = {"request_id": "cf054205-dd8c-4473-8689-07c30fe0789f"}
# "Getting Started": the list of accounts, one account, a search
LISTED: dict[str, Any] = {
    "data": [
        {"type": "account_summary", "id": "123456", "attributes": {"name": "Account 1"}},
        {"type": "account_summary", "id": "789012", "attributes": {"name": "Account 2"}},
    ],
    "meta": REQUEST,
}
DETAIL: dict[str, Any] = {
    "data": [
        {
            "type": "account",
            "id": "123456",
            "attributes": {
                "name": "Account 1",
                "credits": {"available": 1000, "used": 200, "remaining": 800, "next_reset_on": "2026-10-01"},
            },
        }
    ],
    "meta": REQUEST,
}
FOUND: dict[str, Any] = {
    "data": [
        {
            "type": "company_summary",
            "id": "159001425",
            "attributes": {
                "name": "Example Company Ltd",
                "role": "group_member",
                "register": {"status": "active"},
                "meta": {"do_not_contact": False, "has_phones": True, "has_mail": True, "has_contacts": True},
            },
        }
    ],
    "meta": {
        "credits": {"charged": 0},
        "pagination": {"next_cursor": "dXNlcjpVMEc5V0ZYTlo", "total_count": 145},
        **REQUEST,
    },
}
# the vendor's guide, of a key that may not
REFUSED = {"code": "insufficient_entitlements", "message": "Your plan does not include this"}


def said(document: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode())


def page(ids: list[str], **paging: Any) -> Answer:
    return said({"data": [{"id": each, "type": "tag"} for each in ids], "meta": {"pagination": paging, **REQUEST}})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def client(server: Server, clock: FakeClock) -> Iterator[Api]:
    session, client = open_api("a-key", clock, server.url)
    yield client
    session.close()


# -- the document's samples --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [REFUSED, {"code": "insufficient_scope", "message": "No right"}])
def test_the_documented_accounts_land_with_their_credits(
    server: Server, run: Run, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, refused: dict[str, str]
) -> None:
    """Those of an account that the key may not look into are unknown."""
    server.answers = [said(LISTED), said(DETAIL), said(refused, 403)]
    setting(monkeypatch, api_key="a-key", base_url=server.url)
    run(streams=frozenset({"accounts"}))
    assert [(seen.path, seen.query) for seen in server.seen] == [
        ("/accounts", {}),
        ("/accounts", {"account_id": "123456"}),
        ("/accounts", {"account_id": "789012"}),
    ]
    assert all(seen.headers["X-Api-Key"] == "a-key" for seen in server.seen)
    of_credits = ("available", "used", "remaining", "next_reset_on")
    assert rows_of(warehouse, VENDOR, "accounts") == [
        {"id": account, "name": name, **dict(zip([f"credits_{each}" for each in of_credits], values, strict=True))}
        for account, name, values in (
            ("123456", "Account 1", (1000, 200, 800, date(2026, 10, 1))),
            ("789012", "Account 2", (None,) * 4),
        )
    ]


def test_the_documented_search_is_followed_by_its_cursor(server: Server, client: Api) -> None:
    last = {**FOUND, "data": [{**FOUND["data"][0], "id": "2"}], "meta": {"credits": {"charged": 0}, **REQUEST}}
    server.answers = [said(FOUND), said(last)]
    meter = Meter()
    assert client.listed("/companies/search", meter) == [FOUND["data"][0], last["data"][0]]
    assert [seen.query.get("page[cursor]") for seen in server.seen] == [None, "dXNlcjpVMEc5V0ZYTlo"]
    assert meter.credits == 0


# -- forms of answers --------------------------------------------------------------------------------------------------


def test_what_is_included_stands_inline(server: Server, client: Api) -> None:
    place = {"id": "p", "type": "location", "attributes": {"city": "Turku"}}
    rows = [
        {"id": "1", "relationships": {"location": {"data": {"id": "p", "type": "location"}}}},
        {"id": "2", "relationships": {"location": {"id": "p", "type": "location", "attributes": {"city": "Oulu"}}}},
        {"id": "3", "relationships": {"location": {"data": None}, "company": {"data": {"id": "c", "type": "company"}}}},
        {"id": "4", "relationships": {"location": None}},
    ]
    server.answers = [said({"data": rows, "included": [place]})]
    found = client.listed("/tags", Meter())
    parsed = tables.VISITOR_COMPANIES.rows(
        found, account_id="6", **dict.fromkeys(("window_start", "start_date", "end_date"), date(2026, 3, 1))
    )
    assert parsed["location_id"].to_pylist() == ["p", "p", None, None]
    assert parsed["company_id"].to_pylist() == [None, None, "c", None]
    assert [end["attributes"] for end in api.ends(found[:1], "location")] == [{"city": "Turku"}]
    # a reference without attributes is no place
    assert api.ends([{"relationships": {"location": {"id": "p"}}}], "location") == []


@pytest.mark.parametrize("block", ["pagination", "meta"])
def test_a_list_that_was_not_thought_to_be_paged_is_read_to_its_end(server: Server, client: Api, block: str) -> None:
    told = {"page_num": 1, "page_count": 2, "total_count": 3}
    meta = {"pagination": told} if block == "pagination" else told
    server.answers = [
        said({"data": [{"id": "1"}, {"id": "2"}], "meta": meta}),
        said({"data": [{"id": "3"}], "meta": meta}),
    ]
    assert [each["id"] for each in client.listed("/web-visits/custom-feeds", Meter(), by=None)] == ["1", "2", "3"]
    assert [seen.query for seen in server.seen] == [{}, {"page[num]": "2"}]


@pytest.mark.parametrize(
    ("by", "paging"), [("number", {"next_cursor": None}), ("cursor", {"next_cursor": None}), ("cursor", {}), (None, {})]
)
def test_a_full_list_is_asked_for_once(server: Server, client: Api, by: Any, paging: dict[str, Any]) -> None:
    """The vendor says that nothing follows, or nothing at all."""
    server.answers = [page([str(number) for number in range(100)], **paging)]
    assert len(client.listed("/lists/1/items", Meter(), by=by)) == 100
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("told", "cost"),
    [({"charged": 2}, 2), ({"charged": "2"}, 2), ({"charged": 1.5}, 2), ({"charged": None}, 1), (None, 1)],
)
def test_what_an_answer_has_cost(server: Server, clock: FakeClock, told: Any, cost: int) -> None:
    session, _ = open_api("a-key", clock, server.url)
    charged: list[int] = []
    server.answers = [said({"data": {"id": "1"}, "meta": {"credits": told}})]
    meter = Meter()
    Api(session, charged.append).one("/companies/1", meter, price=1)
    assert (charged, meter.credits) == ([cost], cost)
    session.close()


def test_pages_that_bring_nothing_new_come_to_an_end(server: Server, client: Api) -> None:
    server.answers = [page(["1"], next_cursor=str(number)) for number in range(1, 99)]
    with pytest.raises(AnswerError, match="3 pages after one another bring nothing new"):
        client.listed("/lists/1/items", Meter(), by="cursor")
    assert len(server.seen) == 3 * (1 + IDLE_PAGES)


def test_counts_may_be_texts(server: Server, client: Api) -> None:
    server.answers = [
        page(["1"], page_num="1", page_count="2", total_count="2"),
        page(["2"], page_num="2", page_count="2", total_count="2"),
    ]
    assert [each["id"] for each in client.listed("/tags", Meter())] == ["1", "2"]


def test_rows_without_an_id_are_all_kept(server: Server, client: Api) -> None:
    rows = [{"attributes": {"endpoint": name}} for name in "abc"]
    meta = {"page_count": 2}
    server.answers = [said({"data": rows[:2], "meta": meta}), said({"data": rows[2:], "meta": meta})]
    assert client.listed("/usage", Meter(), by=None) == rows


@duckdb_only
def test_usage_without_ids_is_named_by_its_month_and_texts(
    server: Server, run: Run, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        {"attributes": {"endpoint": "/v1/tags", "method": "GET", "requests": 3}},
        {"attributes": {"endpoint": "/x"}},
    ]
    accounts = said({"data": LISTED["data"][:1]})
    server.answers = [accounts, said({"data": told})]
    setting(monkeypatch, api_key="a-key", base_url=server.url)
    run(streams=frozenset({"usage"}))
    assert [(row["id"], row["period"], row["requests"]) for row in rows_of(warehouse, VENDOR, "usage")] == [
        ("2026-03:/v1/tags:GET", "2026-03", "3"),
        ("2026-03:/x", "2026-03", None),
    ]


def test_a_cursor_that_leads_back_is_an_error(server: Server, client: Api) -> None:
    server.answers = [page(["1"], next_cursor="a"), page(["2"], next_cursor="a")]
    with pytest.raises(AnswerError, match="a cursor leads back"):
        client.listed("/lists/1/items", Meter())


def test_rows_that_move_below_a_cursor_are_read_again(server: Server, client: Api) -> None:
    moved = [page(["1", "2"], next_cursor="a"), page(["2", "3"], next_cursor=None)]
    server.answers = [*moved, page(["0", "1"], next_cursor="a"), page(["2", "3"], next_cursor=None)]
    assert [each["id"] for each in client.listed("/lists/1/items", Meter())] == ["0", "1", "2", "3"]


def test_more_than_a_hundred_pages_are_not_asked_for(server: Server, client: Api) -> None:
    server.answers = [page([str(number) for number in range(100)], page_num=1, page_count=101, total_count=10_001)]
    days = Days(date(2026, 3, 1), date(2026, 3, 2))
    with pytest.raises(CeilingError) as raised:
        list(client.visitor_companies(Account("6"), days, Meter(), ahead=4))
    assert raised.value.pages == 101
    assert len(server.seen) == 1


@duckdb_only
def test_rows_that_move_between_pages_are_read_again(
    warehouse: Warehouse, serve: Serve, run: Run, clock: FakeClock
) -> None:
    sandbox = serve(World(days=6, accounts=1, visits_per_day=60, clock=clock.epoch), limits=False)
    sandbox.faults.add("shift_page", vendor=VENDOR, path="/web-visits", page=2, rows=3)
    sandbox.faults.add("shift_page", vendor=VENDOR, path="/lists/60011/items", nth=2, rows=3)
    run()
    assert sandbox.faults.pending == []
    assert_equal(warehouse, sandbox)


def test_every_field_of_an_engagement_and_of_its_page_is_kept() -> None:
    engagement = {"id": "e", "time": 3, "page": {"path": "/a", "title": "A", "id": "p", "host": "h"}}
    assert flat(engagement) == {"path": "/a", "title": "A", "id": "p", "host": "h", "engagement_id": "e", "time": 3}
    assert flat({"time": 3, "page": None}) == {"time": 3}


# -- refusals ----------------------------------------------------------------------------------------------------------

SHAPES: dict[str, Callable[[str, str], Any]] = {
    "errors": lambda code, words: {"errors": [{"code": code, "title": words}], "meta": REQUEST},
    "error": lambda code, words: {"error": {"code": code, "message": words}, "meta": REQUEST},
    "flat": lambda code, words: {"code": code, "message": words},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "insufficient_entitlements", NotEntitledError),
        (403, "insufficient_scope", AccessError),
        (402, "payment_required", NotEntitledError),
        (404, "entity_not_found", AccessError),
        (401, "unauthorized", AccessError),
        (400, "invalid_request", RequestError),
        (429, "quota_exceeded", QuotaError),
        (416, "offset_exceeded", RequestError),
    ],
)
def test_refusals_in_any_shape(
    server: Server, client: Api, shape: str, status: int, code: str, error: type[SourceError]
) -> None:
    server.answers = [said(SHAPES[shape](code, "these are the words"), status)]
    with pytest.raises(error, match="these are the words") as raised:
        client.listed("/tags", Meter())
    assert code in str(raised.value)
    assert len(server.seen) == 1
    if code == "insufficient_scope":
        assert "give the key this right" in str(raised.value)


@pytest.mark.parametrize("per_second", [1, 2, 3, 10, 15])
def test_the_limit_is_kept_by_the_second_and_the_half(per_second: int) -> None:
    clock = FakeClock()
    budget, taken = Budget(*api.limits(per_second), clock=clock), []
    for _ in range(20 * per_second):
        budget.acquire()
        taken.append(clock.monotonic())
    for span, most in ((1.0, per_second), (0.5, ceil(per_second / 2))):
        assert max(sum(start <= each < start + span for each in taken) for start in taken) == most
    assert taken[-1] - taken[0] < 20 * 1.02


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "too_many_requests"])
def test_a_limit_of_seconds_is_waited_for(server: Server, client: Api, clock: FakeClock, code: str) -> None:
    server.answers = [said(SHAPES["errors"](code, "slow down"), 429), page(["1"])]
    assert [each["id"] for each in client.listed("/tags", Meter())] == ["1"]
    assert 0 < sum(clock.slept) < 2


@duckdb_only
def test_what_the_plan_lacks_is_skipped_and_a_missing_right_is_not(
    serve: Serve, run: Run, warehouse: Warehouse
) -> None:
    sandbox = serve()
    sandbox.leadfeeder.options.error_shape = "flat"
    sandbox.leadfeeder.options.unentitled = ["/tags"]
    told = results(run(streams=frozenset({"tags", "usage", "lists"})))
    assert told["tags", "6001"].status == "skipped"
    assert told["usage", "6001"].status == told["lists", "6001"].status == "ok"
    sandbox.faults.add("status", status=403, path="/usage", body=SHAPES["error"]("insufficient_scope", "no right"))
    told = results(run(expect=1, streams=frozenset({"usage", "lists"})))
    failed = [account for account in ("6001", "6002") if told["usage", account].status == "failed"]
    assert len(failed) == 1
    assert "give the key this right" in (told["usage", failed[0]].error or "")
    assert told["lists", "6001"].status == "ok"


@duckdb_only
def test_the_vendors_quota_stops_everything_and_keeps_what_is_loaded(
    serve: Serve, run: Run, warehouse: Warehouse, clock: FakeClock
) -> None:
    sandbox = serve()
    sandbox.leadfeeder.options.requests_per_month = 20
    told = results(run(expect=1))
    assert {lane.status for lane in told.values()} == {"ok", "failed"}
    assert all("quota_exceeded" in (lane.error or "") for lane in told.values() if lane.status == "failed")
    # those that were under way, and no more
    assert sandbox.requests.count(status=429) <= 8 * 2
    assert rows_of(warehouse, VENDOR, "visits")
    clock.move(timedelta(days=14))
    sandbox.leadfeeder.options.requests_per_month = 100_000
    run()


@duckdb_only
def test_the_months_requests_are_counted_across_runs(
    serve: Serve, run: Run, warehouse: Warehouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(limits=False)
    run()
    made = sandbox.requests.count()
    setting(monkeypatch, requests_per_month=made + 10)
    summary = run(expect=1)
    assert sandbox.requests.count() == made + 10
    assert any("quota of requests is used up" in (lane.error or "") for lane in results(summary).values())
    # nothing is left: not even the accounts are listed
    assert "quota of requests is used up" in (run(expect=1).vendors[0].error or "")
    assert sandbox.requests.count() == made + 10
    # another month
    clock.move(timedelta(days=14))
    setting(monkeypatch, requests_per_month=made + 100)
    run()
    assert_equal(warehouse, sandbox, last=date(2026, 4, 1))
