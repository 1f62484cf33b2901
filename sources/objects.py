"""The objects of an answer, and their fields by path: Python's own (`Fields`), or columns of Arrow's (`Columns`).

Streams of many pages are read without Python's objects: DuckDB takes a block of pages apart, in the form that the
tables declare (`Form`), while Python does something else. Every field is accounted for: pages that show one more than
the form has are unlike it; they are read as Python's objects, and the form learns from them (decision 13).
"""

import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import accumulate, chain
from operator import itemgetter, methodcaller
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import msgspec
import orjson
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from .tables import Table

Json = Any

# fields that a form learns at most: beyond them, what a vendor names is data
MOST_LEARNED = 200
# a quotation mark by its number, of which `_count` takes no notice; U+0000, which is no letter of PostgreSQL's
ODD = (rb"\u0022", rb"\u0000")
# what a value is read as: a text, which is JSON where the value is none; JSON itself; a text of which nothing is known
Leaf = Literal["text", "json", "any"]
_TYPES: dict[Leaf, str] = {"text": "VARCHAR", "json": "JSON", "any": "VARCHAR"}


def value_at(holder: Json, path: str) -> Json:
    """What stands at a path in an object, a dict or a struct; None where there is nothing."""
    for name in path.split("."):
        if isinstance(holder, dict):
            holder = holder.get(name)
        else:
            holder = getattr(holder, name, None) if isinstance(holder, msgspec.Struct) else None
    return holder


class UnlikeError(ValueError):
    """What a page holds is not of the form that its tables declare, and is to be read as Python's objects."""


@dataclass(frozen=True)
class Elements:
    """What the lists at a path hold: all their elements, in order.

    `owners` are the objects that the lists belong to, `owner_of` says which of them each element has, `positions` count
    the elements of each list from 0.
    """

    elements: "Fields | Columns"
    owners: "Fields | Columns"
    owner_of: pa.Array
    positions: pa.Array


class Fields:
    """The fields of some objects (dicts) by their paths; what several paths share is looked up once."""

    def __init__(self, objects: Sequence[Json]) -> None:
        self._found: dict[str, Sequence[Json]] = {"": objects}
        self._names: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._found[""])

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
            if name not in self._names_at(outer):
                return [None] * len(holders)
        try:
            return list(map(methodcaller("get", name), holders))
        except AttributeError:
            return [each.get(name) if isinstance(each, dict) else None for each in holders]

    def unknown(self, path: str, known: Set[str]) -> list[str]:
        """The names of fields beside the known ones that one of the objects has that stand there, in order."""
        return sorted(self._names_at(path) - known)

    def elements(self, path: str) -> Elements:
        """What the lists hold that stand there. Raises ValueError where something else does."""
        lists = [value or () for value in self.at(path)]
        for value in lists:
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"expected a list at {path!r}, got {value!r:.80}")
        lengths = [len(value) for value in lists if value]
        return Elements(
            Fields(list(chain.from_iterable(lists))),
            Fields([owner for owner, value in zip(self.at(""), lists, strict=True) if value]),
            _places(lengths),
            pa.array(chain.from_iterable(map(range, lengths)), pa.int64()),
        )

    def _names_at(self, path: str) -> set[str]:
        if path not in self._names:
            holders = self.at(path)
            if set(map(type, holders)) != {dict}:
                holders = [each for each in holders if isinstance(each, dict)]
            self._names[path] = set().union(*holders)
        return self._names[path]


class Columns:
    """The fields of some objects by their paths, as texts: of numbers, flags, lists and objects, those of JSON."""

    def __init__(self, objects: pa.Array) -> None:
        self._found: dict[str, pa.Array] = {"": objects}

    def __len__(self) -> int:
        return len(self._found[""])

    def at(self, path: str) -> pa.Array:
        """The values that stand there, null where there is none."""
        if path not in self._found:
            outer, _, name = path.rpartition(".")
            self._found[path] = self.of(outer, name)
        return self._found[path]

    def of(self, outer: str, name: str) -> pa.Array:
        """The values of one field of the objects that stand at `outer`."""
        holders = self.at(outer)
        # where an object is missing, so are its fields, which Arrow does not see by itself
        return pc.struct_field(holders, name) if holders.null_count else holders.field(name)

    def unknown(self, path: str, known: Set[str]) -> list[str]:
        """The names of fields beside the known ones that one of the objects has that stand there, in order."""
        names = {each.name for each in self.at(path).type} - known
        return sorted(name for name in names if self.of(path, name).null_count < len(self))

    def elements(self, path: str) -> Elements:
        """What the lists hold that stand there."""
        lists = self.at(path)
        elements, owner_of = lists.flatten(), pc.list_parent_indices(lists)
        lengths = pc.fill_null(pc.list_value_length(lists), 0)
        begins = pc.subtract(pc.cumulative_sum(lengths), lengths)
        positions = pc.subtract(pa.arange(0, len(elements)), begins.take(owner_of))
        return Elements(Columns(elements), self, owner_of, positions)

    def last_of_each(self, path: str, value: str) -> "Columns":
        """The objects that have this text there, of those with the same id the last one."""
        pairs = zip(self.at("id").to_pylist(), self.at(path).to_pylist(), strict=True)
        last = {name: place for place, (name, text) in enumerate(pairs) if text == value}
        return Columns(self.at("").take(pa.array(last.values(), pa.int64())))


@dataclass
class _Node:
    """What is declared of the objects at one place: their fields, each an object, a list, or a value."""

    fields: "dict[str, _Node | Leaf]" = field(default_factory=dict)
    is_list: bool = False

    def at(self, path: str) -> "_Node":
        """The node at a path, made where there is none."""
        node = self
        for name in filter(None, path.split(".")):
            inner = node.fields.get(name)
            if not isinstance(inner, _Node):
                inner = node.fields[name] = _Node()
            node = inner
        return node

    def add(self, path: str, leaf: Leaf) -> None:
        """Declare a value that stands at a path."""
        outer, _, name = path.rpartition(".")
        self.at(outer).fields.setdefault(name, leaf)

    @property
    def structure(self) -> Json:
        """What DuckDB reads it as."""
        if self.is_list and not self.fields:
            return [_TYPES["text"]]
        fields = {
            name: node.structure if isinstance(node, _Node) else _TYPES[node] for name, node in self.fields.items()
        }
        return [fields] if self.is_list else fields

    @property
    def size(self) -> int:
        """How many fields it has, with the nodes inside."""
        return sum(1 + node.size if isinstance(node, _Node) else 1 for node in self.fields.values())

    def learn(self, values: Iterable[Json]) -> None:
        """Add the fields that some values show."""
        if self.is_list:
            values = chain.from_iterable(value for value in values if isinstance(value, list))
        objects = [value for value in values if isinstance(value, dict)]
        taken = {name.casefold() for name in self.fields}
        for name in {name: None for each in objects for name in each if name not in self.fields}:
            # to DuckDB, names that differ in their case are one
            if name and name.casefold() not in taken:
                self.fields[name] = "any"
                taken.add(name.casefold())
        for name, node in self.fields.items():
            if isinstance(node, _Node) and (node.fields or not node.is_list):
                node.learn(each.get(name) for each in objects)


class Form:
    """The form of an endpoint's documents: `lists` are the tables that each of its lists of objects fills."""

    def __init__(self, lists: "Mapping[str, Sequence[Table]]", values: Sequence[str] = ()) -> None:
        root = _Node()
        self._lock = threading.Lock()
        for name, tables in lists.items():
            objects = root.at(name)
            objects.is_list = True
            for table in tables:
                _declare(objects, table)
        for path in values:
            root.add(path, "any")
        self._most = root.size + MOST_LEARNED
        self._form = root, _Statement(root)

    def read(self, pages: Sequence[bytes]) -> dict[str, Columns]:
        """The objects that some pages list, by the lists' names. Raises UnlikeError."""
        root, statement = self._form
        if any(map(_is_odd, pages)):
            raise UnlikeError("it is written in an odd way")
        try:
            documents = statement.documents(pages)
        except (pa.ArrowException, duckdb.Error):
            # what is said of it would show some of the page
            raise UnlikeError("it cannot be taken apart") from None
        if _names(documents, root) != sum(map(_count, pages)):
            raise UnlikeError("there are fields that nobody has declared")
        found = Columns(documents)
        return {
            name: Columns(found.at(name).flatten())
            for name, node in root.fields.items()
            if isinstance(node, _Node) and node.is_list
        }

    def learn(self, documents: Sequence[Json]) -> None:
        """Have the fields that some documents show be of the form."""
        with self._lock:
            # whoever is reading goes on with what it began with
            root = deepcopy(self._form[0])
            root.learn(documents)
            if self._form[0].size < root.size <= self._most:
                self._form = root, _Statement(root)


def _declare(objects: _Node, table: "Table") -> None:
    own = objects
    if table.each:
        own = objects.at(table.each)
        own.is_list = True
    for column in table.columns:
        if column.at:
            node = objects if column.parent else own
            node.add(column.at, "json" if column.type == "json" else "text")


class _Pages:
    """A table to DuckDB, by Arrow's PyCapsule interface: the pages that are there when it reads."""

    there: Sequence[bytes] = ()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        texts = pa.chunked_array(map(_text, self.there), pa.string())
        return pa.table({"page": texts}).__arrow_c_stream__(requested_schema)


class _Statement:
    """How DuckDB takes pages apart in one form: prepared once, because that costs as much as some pages do."""

    def __init__(self, root: _Node) -> None:
        self._root = root
        self._lock = threading.Lock()

    @cached_property
    def _prepared(self) -> tuple[_Pages, duckdb.DuckDBPyConnection]:
        structure = orjson.dumps(self._root.structure).decode().replace("'", "''")
        pages, cursor = _Pages(), _duckdb().cursor()
        cursor.register("pages", pages)
        cursor.execute(f"PREPARE taking AS SELECT from_json(page, '{structure}') FROM pages")  # noqa: S608 — a literal
        return pages, cursor

    def documents(self, pages: Sequence[bytes]) -> pa.Array:
        """A struct for each page. Raises duckdb.Error and pa.ArrowException where they cannot be taken apart."""
        with self._lock:
            block, cursor = self._prepared
            block.there = pages
            try:
                return cursor.sql("EXECUTE taking").to_arrow_table().column(0).combine_chunks()
            finally:
                block.there = ()


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    """It holds nothing, and whoever asks computes by itself."""
    return duckdb.connect(":memory:", config={"threads": 1})


def check_text(content: bytes) -> None:
    """Raises ValueError where it is not UTF-8; other threads go on meanwhile."""
    _text(content).validate(full=True)


def _text(content: bytes) -> pa.Array:
    """One text, where it is: to copy pages costs a quarter of taking them apart."""
    bounds = pa.array([0, len(content)], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), 1, [None, bounds, pa.py_buffer(content)])


def _is_odd(page: bytes) -> bool:
    # to look for a single letter costs nothing; a name with a blank behind it is none to `_count`
    return b'" :' in page or (b"\\" in page and any(odd in page for odd in ODD))


def _count(text: bytes) -> int:
    """How many names there are whose value is not null, in JSON that is written without blanks."""
    # a name ends in these two; of values, only null begins with an n
    return text.count(b'":') - text.count(b'":n')


def _names(array: pa.Array, node: _Node | Leaf) -> int:
    """As many as `_count` finds in what an array was read from, if all of that is in the array."""
    if not isinstance(node, _Node):
        return 0 if node == "text" else _count("".join(filter(None, array.to_pylist())).encode())
    if node.is_list:
        array = array.flatten()
    if not node.fields:
        return 0
    parts = zip(array.flatten(), node.fields.values(), strict=True)
    return sum(len(inner) - inner.null_count + _names(inner, of) for inner, of in parts)


def _places(lengths: Sequence[int]) -> pa.Array:
    """To which of some lists each of all their elements belongs."""
    ends = pa.array(accumulate(lengths, initial=0), pa.int32())
    return pc.list_parent_indices(pa.ListArray.from_arrays(ends, pa.nulls(sum(lengths))))
