"""Faults × vendors: each ends equal to the undisturbed load, or with exit 1 and a sentence that says where it is not.

One stream of a vendor has each trouble twice and gets over it, another one has it for ever.
"""

import re
import socket
from collections.abc import Callable, Set
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from pipelines.sync import Summary
from sandbox.faults import Fault
from tests.reading import Rows

from .conftest import CASES, MOMENT, Build, House, sentences

Tables = dict[str, dict[str, Rows]]

TROUBLES: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"name": "status", "status": 429, "retry_after": 7},
    "429 without Retry-After": {"name": "status", "status": 429},
    "500": {"name": "status", "status": 500},
    "502 with HTML": {"name": "status", "status": 502},
    "cut before headers": {"name": "cut_headers"},
    "cut in the body": {"name": "cut_body"},
    "short body with a long Content-Length": {"name": "short_body"},
    "200 with HTML": {"name": "html"},
    "JSON of the wrong shape": {"name": "wrong_shape"},
    "stalled socket": {"name": "stall", "seconds": 30},
}
MOVES: dict[str, dict[str, Any]] = {
    "a page that repeats": {"name": "repeat_page"},
    "a page that shifts": {"name": "shift_page"},
    "a page that shifts up": {"name": "shift_page", "rows": -1},
    "a count that lies": {"name": "wrong_total"},
}
PAGED = [vendor for vendor, case in CASES.items() if case.moved]
vendors = pytest.mark.parametrize("vendor", CASES)


def assert_said(house: House, summary: Summary, *streams: str) -> None:
    """Exit 1, and one sentence for each of these streams: vendor, account, stream, days, what happened; a remedy."""
    assert summary.exit_code == 1, summary.as_dict()
    said = sentences(summary)
    for stream in streams:
        account = "" if house.case.vendor in ("leadsie", "leedo") else ", account 6001"
        days = r", 2026-03-1\d(…2026-03-1\d)?" if stream == "visits" else ""
        sentence = re.compile(rf"{house.case.vendor}{account}, {stream}{days}: [^;\n]+; [^\n]+")
        assert any(sentence.match(text) for text in said), said


def assert_never_fewer(house: House, summary: Summary, expected: dict[str, Rows], but: Set[str] = frozenset()) -> None:
    """All tables are equal, `but` those of which something is said."""
    found = house.tables()
    for table, rows in expected.items():
        assert found[table] == rows or (table in but and summary.exit_code == 1), table


@vendors
@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble(vendor: str, trouble: str, build: Build, undisturbed: Tables) -> None:
    house = build(vendor)
    case = house.case
    fault = TROUBLES[trouble]
    if fault["name"] == "stall":
        house.set(REQUEST_TIMEOUT=str(MOMENT))
    house.sandbox.faults.add(Fault(**fault, vendor=vendor, path=case.passing, times=2))
    lasting = next(name for name, path in case.streams.items() if path == case.lasting)
    if case.lasting != case.passing:
        house.sandbox.faults.add(Fault(**fault, vendor=vendor, path=case.lasting, times=None))
    summary = house.sync(max_wait=timedelta(hours=2))
    assert [planned for planned in house.sandbox.faults.pending if planned.times] == []
    assert_never_fewer(house, summary, undisturbed[vendor], but=case.tables_of(case.lasting))
    if case.lasting != case.passing:
        assert_said(house, summary, lasting)
    else:
        assert summary.exit_code == 0, summary.as_dict()


# the token API counts its pages only, which the other moves are about
@pytest.mark.parametrize(
    ("vendor", "move"),
    [(v, m) for v in PAGED for m in MOVES if (v, m) != ("leadfeeder_legacy", "a count that lies")],
)
@pytest.mark.parametrize("times", [1, None], ids=["once", "for ever"])
def test_moving_pages(vendor: str, move: str, times: int | None, build: Build, undisturbed: Tables) -> None:
    house = build(vendor)
    assert house.case.moved
    page = None if move == "a count that lies" else 2
    house.sandbox.faults.add(Fault(**MOVES[move], vendor=vendor, path=house.case.moved, page=page, times=times))
    summary = house.sync()
    assert house.sandbox.faults.pending == []
    own = house.case.tables_of(house.case.moved) | {"locations"}
    assert_never_fewer(house, summary, undisturbed[vendor], but=own)
    if times is None:
        assert_said(house, summary, next(name for name, path in house.case.streams.items() if path == house.case.moved))


@vendors
def test_503_for_two_minutes(vendor: str, build: Build, undisturbed: Tables) -> None:
    """It outlasts the patience of a run: all is named, and the next run has it."""
    house = build(vendor)
    for path in house.case.streams.values():
        house.sandbox.faults.add("status", status=503, vendor=vendor, path=path, times=None)
    summary = house.sync()
    if vendor in ("leadsie", "leedo"):
        # the first request is that of a stream
        [said] = sentences(summary)
        assert re.match(rf"{vendor}: /(api/checkUserStatus|campaigns) answered 503.*; run again later", said)
        assert summary.exit_code == 1
    else:
        assert_said(house, summary, *house.case.streams)
    house.clock.move(timedelta(minutes=2))
    house.sandbox.faults.clear()
    assert house.sync().exit_code == 0
    assert_never_fewer(house, summary, undisturbed[vendor])


def refused(house: House, patch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    house.set(BASE_URL=f"http://127.0.0.1:{port}")


def unknown(house: House, patch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    house.set(BASE_URL="http://api.example")
    patch.setattr(socket, "getaddrinfo", nobody)


@vendors
@pytest.mark.parametrize("away", [refused, unknown], ids=["connection refused", "DNS failure"])
def test_nobody_answers(
    vendor: str, away: Callable[[House, pytest.MonkeyPatch], None], build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = build(vendor)
    away(house, monkeypatch)
    summary = house.sync()
    assert summary.exit_code == 1
    for said in sentences(summary):
        assert re.match(rf"{vendor}[,:] .*could not be read \(.+\); check the network and base_url, or run", said), said
    assert sentences(summary)
