"""Whatever a vendor sends, only named errors come out of what reads it."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.vendors import VENDORS
from sources.errors import SourceError
from sources.leadfeeder import api as v1
from sources.leadfeeder_legacy import api as legacy
from sources.leadsie import api as leadsie
from sources.leadsie.connections import states, united
from sources.leedo import api as leedo
from sources.tables import Table

TABLES = {f"{v}.{t.name}": t for v in VENDORS for stream in VENDORS[v].package.STREAMS for t in stream.tables}
NAMES = sorted(
    {step for table in TABLES.values() for c in table.columns if c.at for step in c.at.split(".")}
    | {
        "data",
        "meta",
        "links",
        "errors",
        "error",
        "included",
        "pagination",
        "allConnections",
        "connectionAssets",
        "last",
    }
    | {
        "next",
        "page_count",
        "total_count",
        "next_cursor",
        "total",
        "per_page",
        "title",
        "message",
        "clients",
        "clientId",
    }
)
ODD = ["2026-03-18", "2026-03-18T15:30:00Z", "", "1e999", "-1", "6001", "99999-01-01", "\x00", "?page[number]=2"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(ODD),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=25,
)
ITEMS = st.dictionaries(st.sampled_from(["id", "type", "attributes", "relationships"]), DOCUMENTS, min_size=1)
ANSWERS = st.fixed_dictionaries(
    {"data": st.lists(ITEMS, max_size=2) | ITEMS | DOCUMENTS},
    optional={name: DOCUMENTS | st.lists(ITEMS, max_size=2) for name in ("meta", "links", "included", "errors")},
)
often = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with one of its values, at any depth, gone, doubled, or something else."""
    if isinstance(document, (dict, list)) and document and draw(st.integers(0, 5)):
        place = draw(st.sampled_from(sorted(document) if isinstance(document, dict) else range(len(document))))
        copy: Any = document.copy()
        match draw(st.sampled_from(["inside", "inside", "inside", "gone", "twice"])):
            case "inside":
                copy[place] = draw(mutated(document[place]))
            case "gone":
                del copy[place]
            case "twice" if isinstance(copy, list):
                copy.append(copy[place])
        return copy
    return draw(SCALARS | DOCUMENTS)


@st.composite
def rows_of(draw: st.DrawFn, table: Table) -> list[Any]:
    """Objects that have the table's fields where they belong, with anything in them."""
    rows = []
    for _ in range(draw(st.integers(0, 3))):
        row: dict[str, Any] = {}
        for column in table.columns:
            if not column.at or not draw(st.booleans()):
                continue
            *outer, name = column.at.split(".")
            place: Any = row
            for step in outer:
                place = place.setdefault(step, {})
                if not isinstance(place, dict):
                    break
            if isinstance(place, dict):
                place[name] = draw(SCALARS | DOCUMENTS)
        if table.each:
            row[table.each.split(".")[0]] = draw(DOCUMENTS)
        rows.append(row)
    return rows


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_rows(name: str, data: st.DataObject) -> None:
    table = TABLES[name]
    filled = {column.name: data.draw(st.none() | st.text(max_size=4)) for column in table.columns if column.at is None}
    with suppress(SourceError):
        rows = table.rows(data.draw(rows_of(table)), **filled)
        assert all(rows[key].null_count == 0 for key in table.key)


@often
@given(document=ANSWERS | DOCUMENTS)
def test_pages(document: Any) -> None:
    with suppress(SourceError):
        answer = legacy.Document(b"", document)
        legacy._check_list(answer)
        legacy._page(answer, 1)
    with suppress(SourceError):
        legacy._check_any(document)
    with suppress(SourceError):
        v1._check(document)
        v1._page(v1._plain(document))
    with suppress(SourceError):
        leedo._check_list(document)
        leedo._count((document.get("meta") or {}).get("total"))


@often
@given(rows=st.lists(st.dictionaries(st.sampled_from(NAMES), DOCUMENTS, max_size=6), max_size=3))
def test_connections(rows: list[Any]) -> None:
    with suppress(SourceError):
        list(states(united(rows)))


@often
@given(document=DOCUMENTS, status=st.sampled_from([400, 402, 403, 404, 416, 429, 500]))
def test_errors(document: Any, status: int) -> None:
    """What the session does with an error's body; it knows that a body need not be what is documented."""
    expected = (AttributeError, KeyError, IndexError, TypeError)
    for read in (legacy.read_error, v1.read_error, leadsie.read_error, leedo.read_error):
        with suppress(*expected):
            said = read(orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)))
            assert said is None or isinstance(said, str)
    with suppress(*expected):
        v1.refusal(status, document)
