"""How the values of JSON become the values of a column: its type, and what is read as what.

Most pages hold what their columns are declared to hold, and Arrow takes a column at once. Numbers in texts, blanks and
all else that vendors send instead are read one by one.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import itemgetter, methodcaller
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

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


class Fields:
    """The fields of some objects by their paths; what several paths share is looked up once."""

    def __init__(self, objects: Sequence[Json]) -> None:
        self._found: dict[str, Sequence[Json]] = {"": objects}
        self._names: dict[str, set[str]] = {}

    def at(self, path: str) -> Sequence[Json]:
        """The values that stand there, None where there is none."""
        if path not in self._found:
            outer, _, name = path.rpartition(".")
            self._found[path] = self.of(outer, name)
        return self._found[path]

    def of(self, outer: str, name: str) -> Sequence[Json]:
        """The values of one field of the objects that stand at `outer`."""
        holders = self.at(outer)
        try:
            return list(map(itemgetter(name), holders))
        except (KeyError, TypeError):
            if name not in self.names(outer):
                return [None] * len(holders)
        try:
            return list(map(methodcaller("get", name), holders))
        except AttributeError:
            return [each.get(name) if isinstance(each, dict) else None for each in holders]

    def names(self, path: str) -> set[str]:
        """All names of fields that one of the objects has that stand there."""
        if path not in self._names:
            holders = self.at(path)
            if set(map(type, holders)) != {dict}:
                holders = [each for each in holders if isinstance(each, dict)]
            self._names[path] = set().union(*holders)
        return self._names[path]


def array_of(column: Column, values: Sequence[Json]) -> pa.Array:
    """The column's values as Arrow has them. Raises ValueError where one cannot be read as the column's type."""
    try:
        array = _all_at_once(column, values)
        if array is None:
            array = pa.array(_one_by_one(column, values), ARROW[column.type])
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, pa.ArrowException) as error:
        raise ValueError(f"{column.name}: cannot be read as {column.type} ({error})") from None
    return _without_nul(array)


def _all_at_once(column: Column, values: Sequence[Json]) -> pa.Array | None:
    """The values as Arrow takes or reads them all at once, in the form that nearly all pages have."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pa.nulls(len(values), ARROW[column.type])
    if column.read is not None or kinds not in _STRAIGHT.get(column.type, ()):
        return None
    try:
        if kinds == {int} and column.type in ("id", "text"):
            return pa.array(values, pa.int64()).cast(pa.string())
        if column.type == "id" and "" in values:
            values = [None if value == "" else value for value in values]
        if column.type not in _SPAN:
            return pa.array(values, ARROW[column.type])
        array = pa.array(values, pa.string()).cast(ARROW[column.type])
        number, first, last = _SPAN[column.type]
        bounds = pc.min_max(array.view(number)).as_py()
        return array if first <= bounds["min"] and bounds["max"] <= last else None
    except (pa.ArrowException, OverflowError, TypeError):
        return None


def _one_by_one(column: Column, values: Sequence[Json]) -> list[object]:
    """The values as this package reads them: texts that come again, once."""
    read, convert = column.read, _CONVERT[column.type]

    def work_out(value: Json) -> object:
        found = value if read is None else read(value)
        return None if found is None else convert(found)

    if set(map(type, values)) <= {str, type(None)}:
        known = {value: work_out(value) for value in set(values) if value is not None}
        return list(map(known.get, values))
    return [None if value is None else work_out(value) for value in values]


def _without_nul(array: pa.Array) -> pa.Array:
    """U+FFFD in place of U+0000, which no text of PostgreSQL's can hold; then both databases hold the same."""
    # the bytes of all the texts at once: a look that costs next to nothing
    texts = array.buffers()[-1] if array.type == _TEXT else None
    return pc.replace_substring(array, "\0", "\ufffd") if texts and b"\0" in texts.to_pybytes() else array


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
# the kinds of values that Arrow takes as they are, or reads from text
_STRAIGHT: dict[Type, tuple[set[type], ...]] = {
    "id": ({str}, {int}),
    "text": ({str}, {int}),
    "bigint": ({int},),
    "bool": ({bool},),
    "date": ({str},),
    "timestamp": ({str},),
}
# the numbers behind days and instants, the first and the last of those that Python has: Arrow reads the year 0 as well
_SPAN: dict[Type, tuple[pa.DataType, int, int]] = {
    "date": (pa.int32(), *(pa.scalar(day, ARROW["date"]).value for day in (date.min, date.max))),
    "timestamp": (
        pa.int64(),
        pa.scalar(datetime.min.replace(tzinfo=UTC), ARROW["timestamp"]).value,
        pa.scalar(datetime.max.replace(tzinfo=UTC), ARROW["timestamp"]).value,
    ),
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
