"""Pages become the same rows by their form as they do as Python's objects, whatever they hold."""

import copy
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.errors import AnswerError, SourceError
from sources.leadfeeder_legacy import api, rows, tables
from sources.leadfeeder_legacy.source import STREAMS
from sources.objects import UnlikeError
from sources.pages import Page
from sources.streams import Account
from sources.tables import Table
from tests.sources.test_mutated import mutated

SAMPLES = Path(__file__).parent / "samples"
ACCOUNT = Account("6001")
GIVEN: dict[str, Any] = {"account_id": ACCOUNT.id, "date": date(2026, 3, 18)}
TABLES = {stream.name: stream.tables for stream in STREAMS}
ENDPOINTS = {"leads": api.LEADS, "visits": api.VISITS}


def endpoint_of(name: str) -> api.Endpoint:
    """One that has learned nothing yet."""
    known = {"leads": TABLES["leads"][:-1], "visits": TABLES["visits"][:-1]}
    return api.Endpoint("", form=api._form_of(*known[name]))


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def page(document: Any, *, blanks: bool = False) -> Page:
    text = json.dumps(document, separators=None if blanks else (",", ":"), ensure_ascii=False)
    answer = api._document(text.encode("utf-8", "surrogatepass"))
    api._check_list(answer)
    return api._page(answer, 1)


def by_form(name: str, endpoint: api.Endpoint, *pages: Page) -> dict[str, pa.Table]:
    assert endpoint.form is not None
    return rows._by_form(TABLES[name], endpoint.form, pages, GIVEN)


def as_objects(name: str, *pages: Page) -> dict[str, pa.Table]:
    return rows._as_objects(TABLES[name], pages, ACCOUNT, GIVEN)


def read(name: str, endpoint: api.Endpoint, *pages: Page) -> dict[str, pa.Table]:
    assert len(pages) > 1, "a single page is read as objects"
    return rows.rows_of_pages(TABLES[name], endpoint, iter(pages), ACCOUNT, **GIVEN)


def in_order(table: pa.Table) -> list[Any]:
    """Lists and objects inside a text as what they say: a number in them may be written in several ways."""
    rows = [{name: said(value) for name, value in row.items()} for row in table.to_pylist()]
    return sorted(rows, key=repr)


def said(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value[:1] in ("[", "{") else value
    except ValueError:
        return value


def assert_same(found: dict[str, pa.Table], expected: dict[str, pa.Table]) -> None:
    for name, table in expected.items():
        assert set(found[name].schema) == set(table.schema)
        assert in_order(found[name]) == in_order(table)


def learned(name: str, document: Any) -> api.Endpoint:
    """An endpoint whose form knows all that a document shows."""
    endpoint = endpoint_of(name)
    assert endpoint.form is not None
    endpoint.form.learn([document])
    return endpoint


@pytest.mark.parametrize("name", ["leads", "visits"])
def test_a_documented_page_is_read_by_its_form(name: str) -> None:
    # the samples are cut short: they have fields that the tables do not know
    document = sample(name)

    pages = [page(document), page(document)]
    assert_same(by_form(name, learned(name, document), *pages), as_objects(name, *pages))


@pytest.mark.parametrize("name", ["leads", "visits"])
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_a_page_holds_it_is_read_the_same(name: str, data: st.DataObject) -> None:
    document = data.draw(mutated(sample(name)))
    try:
        pages = [page(document), page(sample(name))]
        expected = as_objects(name, *pages)
    except (SourceError, ValueError):
        return
    endpoint = learned(name, document)
    assert_same(read(name, endpoint, *pages), expected)


VALUES: list[tuple[str, str, Any]] = [
    ("leads", "employee_count", "0x1F"),
    ("leads", "employee_count", "7"),
    ("leads", "employee_count", 7.0),
    ("leads", "employee_count", ""),
    ("leads", "crm_organization_id", ""),
    ("leads", "crm_organization_id", 12.5),
    ("leads", "name", {"first": "Ann"}),
    ("leads", "name", ["a", None]),
    ("leads", "name", True),
    ("leads", "name", "a\0b"),
    ("leads", "name", '"x":1,"y":null'),
    ("leads", "revenue", None),
    ("leads", "tags", None),
    ("leads", "tags", [1, None, "x"]),
    ("leads", "first_visit_date", "0000-01-01"),
    ("leads", "employees_range", None),
    ("visits", "lf_client_id", 12345678901234567890),
    ("visits", "lf_client_id", 123456789012345678901234567890),
    ("visits", "lf_client_id", 1e22),
    ("visits", "lf_client_id", -1.5e-7),
    ("visits", "keyword", ["a", 1e16, 1e-7]),
    ("visits", "ga_client_ids", [{"id": None, "b": 1e22}, "x"]),
    ("visits", "ga_client_ids", "plain"),
    ("visits", "visit_route", []),
    ("visits", "visit_route", None),
    ("visits", "started_at", 1773847200),
    ("visits", "started_at", "0001-01-01T00:00:00+05:00"),
    ("visits", "date", None),
]


@pytest.mark.parametrize(("name", "field", "value"), VALUES)
def test_odd_values_are_read_the_same(name: str, field: str, value: Any) -> None:
    document = sample(name)
    document["data"][0]["attributes"][field] = value
    endpoint = learned(name, sample(name))
    pages = [page(document), page(sample(name))]
    try:
        expected = as_objects(name, *pages)
    except AnswerError as error:
        refused = re.escape(str(error))
    else:
        assert_same(read(name, endpoint, *pages), expected)
        return
    with pytest.raises(AnswerError, match=refused):
        read(name, endpoint, *pages)


def rename(document: Any) -> None:
    # as many fields as before
    attributes = document["data"][0]["attributes"]
    attributes["sector"] = attributes.pop("industry")


def add(document: Any) -> None:
    document["data"][-1]["attributes"]["leadScore"] = {"of": 10, "is": 7}


def add_inside(document: Any) -> None:
    document["data"][0]["attributes"]["industries"] = [{"name": "Energy", "code": "D35"}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"industry":', '"score":1,"industry" :'),
        ('"type":"leads","attributes":{', '"type":"\\u0022:","attributes":{"score":1,'),
    ],
)
def test_a_new_field_is_found_beside_what_hides_a_name(before: str, after: str) -> None:
    text = json.dumps(sample("leads"), separators=(",", ":"), ensure_ascii=False)
    assert before in text
    endpoint = learned("leads", sample("leads"))
    pages = [api._page(api._document(each.encode()), 1) for each in (text.replace(before, after, 1), text)]

    found = read("leads", endpoint, *pages)
    assert_same(found, as_objects("leads", *pages))
    assert found["leads"]["score"].drop_null().to_pylist() == ["1"]


@pytest.mark.parametrize(
    ("change", "table", "column"),
    [
        (rename, "leads", "sector"),
        (add, "leads", "lead_score"),
        (add_inside, "lead_industries", "code"),
    ],
)
def test_a_new_field_is_learned(change: Callable[[Any], None], table: str, column: str) -> None:
    document = sample("leads")
    endpoint = learned("leads", sample("leads"))
    change(document)

    pages = [page(document), page(sample("leads"))]
    with pytest.raises(UnlikeError, match="nobody has declared"):
        by_form("leads", endpoint, *pages)
    expected = read("leads", endpoint, *pages)
    assert column in expected[table].column_names
    # from the next block on, it is part of the form; where it is missing it leaves no column
    assert_same(by_form("leads", endpoint, *pages), expected)
    assert column not in by_form("leads", endpoint, page(sample("leads")))[table].column_names


def test_names_that_differ_in_their_case_only_are_two_fields() -> None:
    document = sample("leads")
    document["data"][0]["attributes"]["NAME"] = "another"
    endpoint = endpoint_of("leads")

    for _ in range(2):
        found = read("leads", endpoint, page(document), page(sample("leads")))["leads"]
        assert "another" in found["name_2"].to_pylist()
    # pages without it are read by the form all the same
    assert by_form("leads", endpoint, page(sample("leads")))["leads"].num_rows == len(sample("leads")["data"])


def test_json_that_is_written_with_blanks_is_read_as_well() -> None:
    document = sample("leads")
    pages = [page(document), page(document, blanks=True)]

    assert_same(read("leads", learned("leads", document), *pages), as_objects("leads", *pages))


def test_rows_that_have_come_before_stay_out() -> None:
    document = sample("leads")
    double = copy.deepcopy(document["data"][0]) | {"id": "other"}
    document["data"].append(double)
    shown = page(document)
    fresh = Page([item for item in shown.items if item.id == "other"], shown.document)

    found = read("leads", learned("leads", document), page(sample("leads")), fresh)["leads"]["id"].to_pylist()
    assert found == [*(row["id"] for row in sample("leads")["data"]), "other"]


def test_a_form_learns_no_end_of_fields() -> None:
    document = sample("leads")
    endpoint = endpoint_of("leads")
    for number in range(3):
        document["data"][0]["attributes"] |= {f"field_{number}_{n}": n for n in range(150)}
        found = read("leads", endpoint, page(document), page(document))["leads"]
        assert f"field_{number}_149" in found.column_names

    assert endpoint.form is not None
    assert endpoint.form._form[0].size < 300


def test_each_endpoint_knows_its_tables() -> None:
    for name, endpoint in ENDPOINTS.items():
        assert endpoint.form is not None
        known = endpoint.form._form[0].structure["data"][0]["attributes"]
        listed: list[Table] = [table for table in TABLES[name] if table is not tables.LOCATIONS]
        for column in (column for table in listed if not table.each for column in table.columns):
            if column.at and column.at.startswith("attributes."):
                assert column.at.split(".")[1] in known


@pytest.mark.parametrize("damaged", [b"\xff", b"\xc3", b"\xed\xa0\x80"])
def test_a_page_that_is_damaged_where_nobody_looks_is_no_page(damaged: bytes) -> None:
    page = b'{"data": [{"id": "1", "attributes": {"name": "%s"}}]}'
    assert api._document(page % "ü".encode()).head.data[0].id == "1"
    with pytest.raises(ValueError, match="UTF8"):
        api._document(page % damaged)
