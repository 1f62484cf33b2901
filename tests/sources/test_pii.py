"""Personal data: kept, hashed or dropped."""

import json

import pyarrow as pa

from sources.columns import Column
from sources.pii import KEEP, Pii
from sources.tables import HISTORY, Table

PEOPLE = Table(
    "people",
    columns=(
        Column("id", "id", "id"),
        Column("email", at="email", pii=True),
        Column("cookies", "json", "cookies", pii=True),
        Column("company_phone", at="company_phone"),
    ),
    key=("id",),
    open="",
)
FRIENDS = Table("friends", columns=(Column("email", "id", "email", pii=True), Column("id", "id", "id")), key=("id",))
JANE = {"id": "1", "email": "Jane@example.com ", "cookies": ["a"], "company_phone": "+1", "first_name": "Jane"}


def clean(pii: Pii, table: Table = PEOPLE, row: object = None) -> dict[str, object]:
    rows = pii.clean(table, table.rows([row or JANE]))  # type: ignore[list-item]
    assert rows.schema.types == table.rows([row or JANE]).schema.types  # type: ignore[list-item]
    (found,) = rows.to_pylist()
    return dict(found)


def test_kept_unless_something_else_is_said() -> None:
    assert clean(KEEP) == {**JANE, "cookies": '["a"]'}


def test_dropped_where_declared_and_where_a_new_field_tells_of_a_person() -> None:
    assert clean(Pii("drop")) == {
        "id": "1", "email": None, "cookies": None, "company_phone": "+1", "first_name": None
    }  # fmt: skip


def test_hashes_join_across_tables_and_spellings() -> None:
    hashed = clean(Pii("hash", "secret"))
    assert hashed["email"] == clean(Pii("hash", "secret"), FRIENDS, {"id": "9", "email": "jane@EXAMPLE.com"})["email"]
    assert "example" not in str(hashed)
    assert hashed["id"] == "1"
    # still JSON, for a database that checks
    assert isinstance(json.loads(str(hashed["cookies"])), str)


def test_hashes_depend_on_the_key() -> None:
    assert clean(Pii("hash", "one"))["email"] != clean(Pii("hash", "other"))["email"]


def test_what_has_been_hashed_stays() -> None:
    pii = Pii("hash", "secret")
    once = pii.clean(PEOPLE, PEOPLE.rows([JANE]))
    assert pii.clean(PEOPLE, once) == once


def test_nothing_stays_nothing() -> None:
    assert clean(Pii("hash", "secret"), FRIENDS, {"id": "9", "email": None}) == {"email": None, "id": "9"}
    assert pa.types.is_string(FRIENDS.schema.field("email").type)


def test_states_are_told_apart_by_what_is_loaded_of_them() -> None:
    states = Table("states", (*PEOPLE.columns, *HISTORY), key=("version",), whole=True, history=True)
    others = JANE | {"email": "somebody@else.com"}
    for policy, same in (("keep", False), ("hash", False), ("drop", True)):
        pii = Pii(policy, "secret")  # type: ignore[arg-type]
        versions = {pii.clean(states, states.rows([row]))["version"][0].as_py() for row in (JANE, others)}
        assert len(versions) == (1 if same else 2), policy
