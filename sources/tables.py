"""What a table is, and how the objects of a page become its rows.

A vendor declares its tables once; types, keys, hints for dlt and the documentation follow from the declaration.
Rows that are re-read replace what stands in the warehouse for the same `scope` (a day, an account, a parent row). A
scope that has become empty is replaced as well: a *marker* row names it, widens the delete, and is never inserted.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import count
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc

from .columns import ARROW, Column, Json, Type, array_of, array_of_texts, snake_case
from .computing import TURN
from .errors import AnswerError
from .objects import Columns, Fields, UnlikeError

Row = Mapping[str, Json]

_MARKS: dict[Type, object] = {
    "id": "",
    "text": "",
    "bigint": -1,
    "date": date(1970, 1, 1),
    "timestamp": datetime(1970, 1, 1, tzinfo=UTC),
}
# what a table of states has besides the states
HISTORY = (
    Column("version", "id", about="Digest of the state: the same state has the same one whenever it comes back."),
    Column("valid_from", "timestamp", about="When the state was first seen."),
    Column("valid_to", "timestamp", about="When it was no longer seen; null while it lasts."),
)


@dataclass(frozen=True)
class Newest:
    """Columns of a table that are those of the newest row of another, whatever the order in which days are read.

    `on` pairs the table's key columns with the other's; `by` is the other's column that makes a row the newest.
    """

    table: str
    on: tuple[tuple[str, str], ...]
    by: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Moving:
    """The day of a row may become another one: where it lay before, it is stale.

    `table` knows by its `id` on which day a row is now; `on` is the column that refers to it, `day` that of the day.
    """

    table: str
    id: str
    on: str
    day: str


@dataclass(frozen=True)
class Filled:
    """Another `table` with the same key supplies rows that are missing, and values that rows lack.

    With `strangers`, only rows that nothing but the other table knows of are given values: those where no column that
    the other one lacks has any. What is null in the others is null at the vendor.
    """

    table: str
    strangers: bool = False


@dataclass(frozen=True)
class Table:
    """One table of a vendor's dataset.

    `scope` names the columns whose values are replaced together; without one, rows replace rows of the same `key`.
    With `whole`, all rows are replaced together.
    With `history` (and the columns of `HISTORY`, keyed by `version`), what would be replaced is kept, and the instant
    noted at which it ended: one row per state, by dlt's scd2. The instants are those at which a load was begun.
    With `distinct`, its readers let no key come twice in a load, which then need not look for repeats.
    `owner` is the table whose rows a child row belongs to, where the scope is that row's key.
    `each` is the list inside the vendor's object whose elements are the rows (a child table); `position` counts them.
    `open` is the object whose unknown fields become new text columns; `elsewhere` are fields of it that other
    tables hold.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    scope: tuple[str, ...] = ()
    whole: bool = False
    history: bool = False
    distinct: bool = False
    owner: str | None = None
    newest: Newest | None = None
    moving: Moving | None = None
    filled: Filled | None = None
    each: str = ""
    open: str | None = None
    elsewhere: frozenset[str] = field(default_factory=frozenset)
    about: str = ""

    @cached_property
    def schema(self) -> pa.Schema:
        """The declared columns as Arrow fields; key columns are not null."""
        return pa.schema([pa.field(c.name, ARROW[c.type], nullable=c.name not in self.key) for c in self.columns])

    @cached_property
    def known(self) -> frozenset[str]:
        """The fields of the open object that have a column or a table already."""
        if self.open is None:
            return frozenset()
        prefix = f"{self.open}." if self.open else ""
        own = (c.at for c in self.columns if c.at and not c.parent and c.at.startswith(prefix))
        return self.elsewhere | {at.removeprefix(prefix).split(".")[0] for at in own}

    @property
    def guard(self) -> str:
        """The SQL condition that tells rows from markers."""
        kinds = {c.name: c.type for c in self.columns}
        column = next(name for name in reversed(self.key) if kinds[name] != "timestamp")
        return f"{column} >= 0" if kinds[column] == "bigint" else f"{column} <> ''"

    @property
    def hints(self) -> dict[str, Any]:
        """dlt's hints: types that Arrow cannot say, the key that removes repeats, the scope that is replaced."""
        merge: dict[str, Any] = {"disposition": "merge", "strategy": "delete-insert", "source_filter": self.guard}
        if self.distinct:
            # looking for repeats is half of what a merge costs
            merge["deduplicated"] = True
        if self.whole:
            merge["destination_scope"] = "1 = 1"
        elif self.scope:
            # a key and a merge key together would be joined by OR, which no database looks up quickly
            columns, last, staged = ", ".join(self.scope), self.scope[-1], "FROM {staging_table}"
            # the bounds choose no other rows; without them, whoever has no statistics of what is staged reads the whole
            # table (decision 1)
            merge["destination_scope"] = (
                f"({columns}) IN (SELECT {columns} {staged}) "
                f"AND {last} BETWEEN (SELECT min({last}) {staged}) AND (SELECT max({last}) {staged})"
            )
        if self.history:
            version, *validity = (column.name for column in HISTORY)
            merge |= {"strategy": "scd2", "row_version_column_name": version, "validity_column_names": validity}
        return {
            "write_disposition": merge,
            "primary_key": list(self.key),
            "columns": {c.name: {"data_type": "json"} for c in self.columns if c.type == "json"},
        }

    def resource_hints(self) -> Any:
        """The hints in the form that `dlt.mark.with_hints` takes."""
        return dlt.mark.make_hints(table_name=self.name, **self.hints)

    def hinted(self, rows: pa.Table) -> Any:
        """Rows as an item that a dlt resource of any name may yield."""
        return dlt.mark.with_hints(rows, self.resource_hints(), create_table_variant=True)

    def rows(self, objects: Sequence[Row] | Fields | Columns, **given: object) -> pa.Table:
        """Turn vendor objects into typed columns; tables of the same objects may share their fields.

        `given` holds the columns whose `at` is None: one value for all rows. Raises AnswerError where a value cannot
        be read as its column's type or a key is missing; of objects that are `Columns`, UnlikeError.
        """
        with TURN:
            return self._rows(objects if isinstance(objects, (Fields, Columns)) else Fields(objects), given)

    def _rows(self, own: Fields | Columns, given: Mapping[str, object]) -> pa.Table:
        lists = None
        if self.each:
            try:
                lists = own.elements(self.each)
            except ValueError as error:
                raise AnswerError(f"{self.name}: {error}") from None
            own = lists.elements
        arrays: dict[str, pa.Array] = {}
        for column in self.columns:
            if self.history and column in HISTORY:
                continue
            if lists and column.at is not None and column.parent:
                of_owners = self._array(column, lists.owners.at(column.at), lists.owners)
                arrays[column.name] = of_owners.take(lists.owner_of)
            elif column.at is not None:
                arrays[column.name] = self._array(column, own.at(column.at), own)
            elif lists and column.name == "position":
                arrays[column.name] = lists.positions
            else:
                arrays[column.name] = pa.repeat(self._array(column, [given[column.name]])[0], len(own))
        if self.history:
            arrays |= {column.name: pa.nulls(len(own), ARROW[column.type]) for column in HISTORY}
            arrays[HISTORY[0].name] = _versions(pa.table(arrays))
        for name in self.key:
            if arrays[name].null_count:
                raise (UnlikeError if isinstance(own, Columns) else AnswerError)(f"{self.name}: a row has no {name}")
        schema = self.schema
        if self.open is not None:
            for name in own.unknown(self.open, self.known):
                snake = snake_case(name) or "unnamed"
                # two names may become one: neither field is dropped
                free = next(f for n in count(1) if (f := snake if n == 1 else f"{snake}_{n}") not in arrays)
                arrays[free] = self._array(Column(free), own.of(self.open, name), own)
                schema = schema.append(pa.field(free, pa.string()))
        return pa.table(arrays, schema=schema)

    def versioned(self, rows: pa.Table) -> pa.Table:
        """The rows after their values have been changed: those of a history are told apart by what they are now."""
        if not self.history:
            return rows
        place = rows.schema.get_field_index(HISTORY[0].name)
        return rows.set_column(place, rows.schema.field(place), _versions(rows))

    def markers(self, scopes: Iterable[Sequence[object]] = ((),)) -> pa.Table:
        """Marker rows: one for each tuple of scope values; without any, one that only makes the table known."""
        named = list(scopes)
        return self._markers(len(named), [list(values) for values in zip(*named, strict=True)])

    def markers_of(self, owners: pa.Table, key: Sequence[str]) -> pa.Table:
        """Marker rows for the children of some rows, whose `key` is this table's scope."""
        return self._markers(owners.num_rows, [owners[name] for name in key])

    def _markers(self, count: int, scopes: Sequence[Any]) -> pa.Table:
        """`scopes` are the values of the scope's columns, or of the first of them."""
        arrays = []
        for column in self.columns:
            kind = ARROW[column.type]
            place = self.scope.index(column.name) if column.name in self.scope else len(scopes)
            if place < len(scopes):
                values = scopes[place]
                arrays.append(pa.array(values, kind) if isinstance(values, list) else values)
            elif column.name in (*self.key, *self.scope):
                arrays.append(pa.repeat(pa.scalar(_MARKS[column.type], kind), count))
            else:
                arrays.append(pa.nulls(count, kind))
        return pa.table(arrays, schema=self.schema)

    def _array(self, column: Column, values: Sequence[Json] | pa.Array, of: Fields | Columns | None = None) -> pa.Array:
        if isinstance(values, pa.Array):
            return array_of_texts(column, values)
        try:
            return array_of(column, values)
        except ValueError as error:
            which = _first_refused(column, values)
            name = of.at("id")[which] if of is not None else None
            raise AnswerError(f"{self.name}.{error}" + (f", in row {name!s:.80}" if name is not None else "")) from None


def _first_refused(column: Column, values: Sequence[Json]) -> int:
    """Which of some values is the first that cannot be read."""
    for place, value in enumerate(values):
        try:
            array_of(column, [value])
        except ValueError:
            return place
    return 0


def last_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """The last row of each key, in the order of the rows."""
    numbered = rows.select(list(key)).append_column("#", pa.arange(0, rows.num_rows))
    last = numbered.group_by(list(key)).aggregate([("#", "max")])["#_max"]
    return rows if len(last) == rows.num_rows else rows.take(last.combine_chunks().sort())


def last_batch_of_each(batches: Sequence[pa.Table], scope: Sequence[str]) -> pa.Table:
    """For each scope, the rows of the last batch that has some."""
    parts = [batch.append_column("#", pa.repeat(n, batch.num_rows)) for n, batch in enumerate(batches)]
    rows = concat(parts)
    newest = rows.group_by(list(scope)).aggregate([("#", "max")]).rename_columns([*scope, "#"])
    return rows.join(newest, keys=[*scope, "#"], join_type="left semi").drop_columns(["#"])


def within(rows: pa.Table, column: str, first: date, last: date) -> pa.Table:
    """The rows whose `column` lies between two days, both inclusive."""
    days = rows[column]
    low, high = pa.scalar(first, pa.date32()), pa.scalar(last, pa.date32())
    return rows.filter(pc.and_(pc.greater_equal(days, low), pc.less_equal(days, high)))


def concat(parts: Sequence[pa.Table]) -> pa.Table:
    """One table of several, with the columns of all of them."""
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="default")


def _versions(rows: pa.Table) -> pa.Array:
    # without what is null: a column that is new changes no state
    states = rows.drop_columns([column.name for column in HISTORY]).to_pylist()
    texts = [
        json.dumps({name: v for name, v in state.items() if v is not None}, sort_keys=True, default=str)
        for state in states
    ]
    return pa.array([hashlib.sha256(text.encode()).hexdigest() for text in texts], pa.string())
