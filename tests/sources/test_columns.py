"""Every value that JSON has becomes the column's, or an error."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from hypothesis import given
from hypothesis import strategies as st

from sources.columns import Column, Type, array_of, snake_case


def read(kind: Type, *values: object) -> list[Any]:
    found: list[Any] = array_of(Column("value", kind), values).to_pylist()
    return found


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("requestUrl", "request_url"),
        ("request_url", "request_url"),
        ("ID", "id"),
        ("leadID", "lead_id"),
        ("HTTPServer", "http_server"),
        ("utm_source", "utm_source"),
        ("utm__source", "utm_source"),
        ("utm.source", "utm_source"),
        ("Last Visit (UTC)", "last_visit_utc"),
        ("_private", "private"),
        ("ga4Client", "ga4_client"),
    ],
)
def test_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


# letters that names keep, split at, drop, and those that only look like digits
@given(st.text('abAZ09_ .-+*@|"{é状٣²\x00', max_size=12))
def test_dlt_leaves_the_name_alone(name: str) -> None:
    snake = snake_case(name)
    if snake:
        assert NamingConvention().normalize_identifier(snake).removeprefix("_") == snake
    assert snake_case(snake) == snake


def test_id() -> None:
    assert read("id", "x", 12, "", None, True) == ["x", "12", None, None, "true"]
    assert read("id", "x", "", None) == ["x", None, None]
    assert read("id", 12, 0, None) == ["12", "0", None]
    assert read("id", 12, "") == ["12", None]


def test_text() -> None:
    assert read("text", "x", 12, 1.5, True, None) == ["x", "12", "1.5", "true", None]
    assert read("text", 12, -3, None) == ["12", "-3", None]
    assert read("text", 12, 2**70) == ["12", str(2**70)]
    assert read("text", {"a": "ä"}, [1, None]) == ['{"a":"ä"}', "[1,null]"]


def test_bigint() -> None:
    assert read("bigint", 12, -3, None) == [12, -3, None]
    assert read("bigint", "12", 12, 12.0, "12.0", "1e3", "", None) == [12, 12, 12, 12, 1000, None, None]
    assert read("bigint", 2**63 - 1, str(-(2**63))) == [2**63 - 1, -(2**63)]


@pytest.mark.parametrize(
    "value", [1.5, "1.5", "many", True, [], {}, 2**63, "nan", "inf", "1e999999999", 1e300, "12 000"]
)
def test_no_bigint(value: object) -> None:
    with pytest.raises(ValueError, match="value: cannot be read as bigint"):
        read("bigint", 1, value)


def test_bool() -> None:
    assert read("bool", True, False, None) == [True, False, None]
    assert read("bool", "true", "False", 1, 0, "1", "0", "", None) == [
        True, False, True, False, True, False, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["yes", 2, [], {}, "on"])
def test_no_bool(value: object) -> None:
    with pytest.raises(ValueError, match="value: cannot be read as bool"):
        read("bool", value)


def test_decimal() -> None:
    assert read("decimal", "12.50", 0.1, 3, "", None) == [Decimal("12.5"), Decimal("0.1"), 3, None, None]


@pytest.mark.parametrize("value", ["12,50", "nan", "inf", True, [], {}, "1e30"])
def test_no_decimal(value: object) -> None:
    with pytest.raises(ValueError, match="value: cannot be read as decimal"):
        read("decimal", value)


def test_date() -> None:
    day = date(2026, 3, 18)
    assert read("date", "0001-01-01", "9999-12-31") == [date.min, date.max]
    assert read("date", "2026-03-18", "2026-03-18T23:59:00Z", "", None) == [day, day, None, None]


@pytest.mark.parametrize("value", ["2026-02-30", 5, True, [], {}, "today", "0000-12-31"])
def test_no_date(value: object) -> None:
    with pytest.raises(ValueError, match="value: cannot be read as date"):
        read("date", value)


def test_timestamp() -> None:
    moment = datetime(2026, 3, 18, 10, 15, tzinfo=UTC)
    assert read(
        "timestamp", "2026-03-18T10:15:00Z", "2026-03-18T12:15:00.000+02:00", "2026-03-18T10:15:00", "", None
    ) == [moment, moment, moment, None, None]
    # since 1970
    assert read("timestamp", 1773828900, "1773828900000", None) == [moment, moment, None]


@pytest.mark.parametrize("value", ["now", "12:30", 1773828, True, [], {}, "0001-01-01T00:00:00+05:00"])
def test_no_timestamp(value: object) -> None:
    with pytest.raises(ValueError, match="value: cannot be read as timestamp"):
        read("timestamp", value)


def test_json() -> None:
    values: list[object] = [["a"], {"b": None}, "text", 5, False, []]
    assert [json.loads(text) for text in read("json", *values)] == values
    assert read("json", None) == [None]
