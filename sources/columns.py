"""How the values of JSON become the values of a column: its type, and what is read as what.

Most pages hold what their columns are declared to hold, and Arrow takes a column at once. Numbers in texts, blanks and
all else that vendors send instead are read one by one.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from .objects import UnlikeError
from .windows import parse_day, parse_instant

Json = Any
Type = Literal["id", "text", "bigint", "bool", "decimal", "date", "timestamp", "json"]

ARROW: dict[Type, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "bigint": pa.int64(),
    "bool": pa.bool_(),
    "decimal": pa.decimal128(38, 9),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "json": pa.string(),
}
# U+0000 as JSON writes it, and no backslash that is followed by such letters
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True)
class Column:
    """One column: `at` is where its value stands in the vendor's object, e.g. `attributes.name`.

    An empty `at` is the object itself; None is filled in by the caller of `Table.rows`. `parent` columns of a child
    table take theirs from the object that holds the list. `read` turns the vendor's value into the column's, where
    that is more than a change of type. `pii` marks personal data. What is not `listed` comes with a row's details only.
    """

    name: str
    type: Type = "text"
    at: str | None = None
    parent: bool = False
    read: Callable[[Json], object] | None = None
    about: str = ""
    pii: bool = False
    listed: bool = True


def array_of(column: Column, values: Sequence[Json]) -> pa.Array:
    """The column's values as Arrow has them. Raises ValueError where one cannot be read as the column's type."""
    try:
        array = _all_at_once(column, values)
        if array is None:
            array = pa.array(_one_by_one(column, values), ARROW[column.type])
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, pa.ArrowException) as error:
        raise ValueError(f"{column.name}: cannot be read as {column.type} ({error})") from None
    return _without_nul(array)


def array_of_texts(column: Column, texts: pa.Array) -> pa.Array:
    """The column's values as Arrow has them, from their texts. Raises UnlikeError where not all can be read at once."""
    if texts.type != _TEXT:
        raise UnlikeError(f"{column.name}: objects stand where values are declared")
    array = texts
    if _holds(array, (b"e-0",)) and pc.any(pc.match_substring_regex(array, _SMALL)).as_py():
        raise UnlikeError(f"{column.name}: a text may be a number that is written otherwise")
    if column.read is not None:
        # each text once
        each = array.dictionary_encode()
        try:
            return array_of(column, each.dictionary.to_pylist()).take(each.indices)
        except ValueError:
            raise UnlikeError(f"{column.name}: a text cannot be read") from None
    if column.type == "json":
        # written as everywhere else
        array = pa.array([None if text is None else as_json(orjson.loads(text)) for text in array.to_pylist()], _TEXT)
    elif column.type == "id" and pc.any(pc.equal(array, "")).as_py():
        array = pc.if_else(pc.equal(array, ""), None, array)
    elif column.type not in ("id", "text"):
        if _holds(array, _EDGES):
            raise UnlikeError(f"{column.name}: a text is no {column.type}, or an odd one")
        try:
            return array.cast(ARROW[column.type])
        except pa.ArrowException:
            raise UnlikeError(f"{column.name}: a text is no {column.type}") from None
    return array


def _all_at_once(column: Column, values: Sequence[Json]) -> pa.Array | None:
    """The values as Arrow takes or reads them all at once, in the form that nearly all pages have."""
    kinds = set(map(type, values)) - _NOTHING
    if not kinds:
        return pa.nulls(len(values), ARROW[column.type])
    if column.read is not None or kinds not in _STRAIGHT.get(column.type, ()):
        return None
    try:
        if kinds == _INTEGERS and column.type in ("id", "text"):
            return pa.array(values, pa.int64()).cast(pa.string())
        if column.type == "id" and "" in values:
            values = [None if value == "" else value for value in values]
        if column.type not in ("date", "timestamp"):
            return pa.array(values, ARROW[column.type])
        texts = pa.array(values, pa.string())
        return None if _holds(texts, _EDGES) else texts.cast(ARROW[column.type])
    except (pa.ArrowException, OverflowError, TypeError):
        return None


def _one_by_one(column: Column, values: Sequence[Json]) -> list[object]:
    """The values as this package reads them: texts that come again, once."""
    if set(map(type, values)) <= _TEXTS:
        return [None if value is None else _read_text(column.read, column.type, value) for value in values]
    return [None if value is None else _read(column.read, column.type, value) for value in values]


def _read(read: Callable[[Json], object] | None, kind: Type, value: Json) -> object:
    found = value if read is None else read(value)
    return None if found is None else _CONVERT[kind](found)


# a day's companies are the next one's, too
_read_text = lru_cache(1 << 12)(_read)


def _without_nul(array: pa.Array) -> pa.Array:
    """U+FFFD in place of U+0000, which no text of PostgreSQL's can hold; then both databases hold the same."""
    if array.type != _TEXT or not _holds(array, (b"\0",)):
        return array
    return pc.replace_substring(array, "\0", "\ufffd")


def _holds(texts: pa.Array, letters: Sequence[bytes]) -> bool:
    """Whether some letters are in any of the texts: in all of them at once, which costs next to nothing."""
    buffer = texts.buffers()[-1]
    together = buffer.to_pybytes() if buffer else b""
    return any(each in together for each in letters)


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return as_json(value)


def _as_id(value: object) -> str | None:
    return _as_text(value) or None


def as_json(value: object) -> str:
    """JSON in one line, for numbers of any size."""
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # a number of more than 64 bits
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _NUL.sub(r"\1\\ufffd", text) if r"\u0000" in text else text


def _number(value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        raise ValueError(f"{value!r:.80} is no number") from None


def _as_integer(value: object) -> int | None:
    if value == "":
        return None
    number = _number(value)
    # the bounds come first: all the digits of 1e999999999 would take for ever
    if isinstance(value, bool) or not -(2**63) <= number < 2**63 or number != number.to_integral_value():
        raise ValueError(f"{value!r} is not a whole number of 64 bits")
    return int(number)


def _as_decimal(value: object) -> Decimal | None:
    return None if value == "" else _number(value).quantize(Decimal("1e-9"))


def _as_bool(value: object) -> bool | None:
    if value == "":
        return None
    try:
        return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false") from None


def _as_day(value: object) -> date | None:
    # a vendor may send an instant where it documents a day
    return None if value == "" else parse_day(str(value)[:10])


def _as_instant(value: object) -> object:
    return None if value == "" else parse_instant(str(value))


def snake_case(name: str) -> str:
    """`requestUrl` → `request_url`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    # the letters and single underscores that dlt keeps: two names that become one there would be refused
    return re.sub(r"[^A-Za-z0-9]+", "_", spaced).strip("_").lower()


_TEXT = pa.string()
# how DuckDB writes a number that others write with one digit behind the sign
_SMALL = r"^-?\d(\.\d+)?e-0\d$"
# what Arrow reads and Python does not: numbers to the base of 16, and instants before the year 1 or after 9999
_EDGES = (b"x", b"X", b"0000-", b"0001-01-01", b"9999-12-31")
_NOTHING, _INTEGERS, _TEXTS = {type(None)}, {int}, {str, type(None)}
# the kinds of values that Arrow takes as they are, or reads from text
_STRAIGHT: dict[Type, tuple[set[type], ...]] = {
    "id": ({str}, {int}),
    "text": ({str}, {int}),
    "bigint": ({int},),
    "bool": ({bool},),
    "date": ({str},),
    "timestamp": ({str},),
}
_CONVERT: dict[Type, Callable[[Any], object]] = {
    "id": _as_id,
    "text": _as_text,
    "bigint": _as_integer,
    "bool": _as_bool,
    "decimal": _as_decimal,
    "date": _as_day,
    "timestamp": _as_instant,
    "json": as_json,
}
