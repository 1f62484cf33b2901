"""A page of JSON becomes typed columns, or an error that names what could not be read."""

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.columns import ARROW, Column, snake_case
from sources.errors import AnswerError
from sources.tables import (
    HISTORY,
    Table,
    concat,
    last_batch_of_each,
    last_of_each,
    within,
)

# a few letters of every kind, and those that only look like digits
TEXT = st.text('abAZ09_ .-+*@|"{é状٣²\x00', max_size=12)
ACCOUNT_ID = Column("account_id", "id")
VISITS = Table(
    "visits",
    columns=(
        ACCOUNT_ID,
        Column("id", "id", "id"),
        Column("lead_id", "id", "attributes.lead_id"),
        Column("source", "text", "attributes.source"),
        Column("hour", "bigint", "attributes.hour"),
        Column("bounced", "bool", "attributes.bounced"),
        Column("amount", "decimal", "attributes.amount"),
        Column("visit_date", "date", "attributes.date"),
        Column("started_at", "timestamp", "attributes.started_at"),
        Column("cookies", "json", "attributes.cookies"),
        Column("city", "text", "attributes.place.city.name"),
        Column("shout", "text", "attributes.shout", read=lambda value: value.upper()),
    ),
    key=("account_id", "id"),
    scope=("account_id", "visit_date"),
    open="attributes",
    elsewhere=frozenset({"route"}),
)
PAGES = Table(
    "visit_pages",
    columns=(
        ACCOUNT_ID,
        Column("visit_id", "id", "id", parent=True),
        Column("position", "bigint"),
        Column("visit_date", "date", "attributes.date", parent=True),
        Column("path", "text", "path"),
    ),
    key=("account_id", "visit_id", "position"),
    scope=("account_id", "visit_date"),
    each="attributes.route",
    open="",
)
TAGS = Table(
    "tags",
    columns=(Column("lead_id", "id", "id", parent=True), Column("position", "bigint"), Column("tag", "text", "")),
    key=("lead_id", "position"),
    scope=("lead_id",),
    owner="leads",
    each="tags",
)
VISIT: dict[str, Any] = {
    "id": "v1",
    "attributes": {
        "lead_id": "l1",
        "source": "google",
        "hour": 7,
        "bounced": False,
        "amount": "12.5",
        "date": "2026-03-18",
        "started_at": "2026-03-18T07:15:00Z",
        "cookies": ["a", {"b": 1}],
        "place": {"city": {"name": "Turku"}},
        "shout": "hey",
        "route": [{"path": "/"}, {"path": "/price"}],
    },
}


def visit(**attributes: object) -> dict[str, Any]:
    changed = copy.deepcopy(VISIT)
    changed["attributes"] |= attributes
    return changed


def rows(*objects: dict[str, Any], table: Table = VISITS) -> list[dict[str, Any]]:
    given = {"account_id": "a"} if ACCOUNT_ID in table.columns else {}
    plain: list[dict[str, Any]] = table.rows(objects, **given).to_pylist()
    return plain


class TestRows:
    def test_every_type(self) -> None:
        (row,) = rows(VISIT)
        assert row == {
            "account_id": "a",
            "id": "v1",
            "lead_id": "l1",
            "source": "google",
            "hour": 7,
            "bounced": False,
            "amount": Decimal("12.5"),
            "visit_date": date(2026, 3, 18),
            "started_at": datetime(2026, 3, 18, 7, 15, tzinfo=UTC),
            "cookies": '["a",{"b":1}]',
            "city": "Turku",
            "shout": "HEY",
        }

    @pytest.mark.parametrize("objects", [[], [VISIT], [visit(hour="7", amount=3)], [{"id": "v"}]])
    def test_columns_and_types_do_not_depend_on_the_values(self, objects: list[dict[str, Any]]) -> None:
        assert VISITS.rows(objects, account_id="a").schema == VISITS.schema
        assert {field.type for field in VISITS.schema} <= set(ARROW.values())

    def test_what_is_missing_is_null(self) -> None:
        (row,) = rows({"id": "v1"})
        assert {name for name, value in row.items() if value is not None} == {"account_id", "id"}
        (row,) = rows(visit(place={"city": None}, cookies=None))
        assert row["city"] is None
        assert row["cookies"] is None
        assert rows(visit(place="Turku"))[0]["city"] is None

    def test_an_empty_id_is_null_and_an_empty_text_is_not(self) -> None:
        (row,) = rows(visit(lead_id="", source=""))
        assert row["lead_id"] is None
        assert row["source"] == ""

    def test_one_value_that_wobbles_leaves_the_others_alone(self) -> None:
        assert [row["source"] for row in rows(visit(source=5), visit(source="x"), visit(source=None))] == [
            "5", "x", None,
        ]  # fmt: skip

    @pytest.mark.parametrize("broken", [{}, {"id": None}, {"id": ""}, {"name": "no id"}])
    def test_a_missing_key_is_named(self, broken: dict[str, Any]) -> None:
        with pytest.raises(AnswerError, match="visits: a row has no id"):
            rows(VISIT, broken)

    @pytest.mark.parametrize(
        ("attributes", "name"),
        [
            ({"hour": "noon"}, "hour"),
            ({"bounced": "perhaps"}, "bounced"),
            ({"amount": "EUR 5"}, "amount"),
            ({"date": "18.03.2026"}, "visit_date"),
            ({"started_at": "early"}, "started_at"),
            ({"shout": 5}, "shout"),
        ],
    )
    def test_an_unreadable_value_is_named_with_its_row(self, attributes: dict[str, Any], name: str) -> None:
        with pytest.raises(AnswerError, match=rf"visits\.{name}: cannot be read as .*, in row v2;"):
            rows(VISIT, visit(**attributes) | {"id": "v2"}, visit(**attributes) | {"id": "v3"})


class TestUnknownFields:
    def test_they_become_text_columns(self) -> None:
        fresh = {"newWord": "x", "score": 5, "ratio": 0.5, "on": True, "list": [1, "ä"], "nested": {"k": [None]}}
        table = VISITS.rows([visit(**fresh)], account_id="a")
        assert {str(table.schema.field(snake_case(name)).type) for name in fresh} == {"string"}
        (row,) = table.to_pylist()
        assert {name: row[snake_case(name)] for name in fresh} == {
            "newWord": "x", "score": "5", "ratio": "0.5", "on": "true", "list": '[1,"ä"]', "nested": '{"k":[null]}',
        }  # fmt: skip

    def test_in_one_row_only(self) -> None:
        assert [row["fresh"] for row in rows(VISIT, visit(fresh=1), {"id": "v3"})] == [None, "1", None]

    def test_a_dot_in_a_name_is_no_path(self) -> None:
        assert rows(visit(**{"utm.term": "shoes"}))[0]["utm_term"] == "shoes"

    def test_a_name_without_a_letter(self) -> None:
        assert rows(visit(**{"???": "x"}))[0]["unnamed"] == "x"

    def test_what_has_a_column_or_a_table_is_not_unknown(self) -> None:
        table = VISITS.rows([visit(route=[], place={"country": "FI"})], account_id="a")
        assert table.schema == VISITS.schema

    def test_two_names_that_become_one_are_two_columns(self) -> None:
        read = rows(visit(Source="again", newField="a", new_field="b"))[0]
        assert read["source_2"] == "again"
        assert {read["new_field"], read["new_field_2"]} == {"a", "b"}

    def test_only_the_open_object_is_looked_at(self) -> None:
        assert "meta" not in rows({**VISIT, "meta": 1})[0]
        closed = Table("closed", VISITS.columns, key=VISITS.key)
        assert "fresh" not in rows(visit(fresh=1), table=closed)[0]

    def test_of_a_child(self) -> None:
        read = rows(visit(route=[{"path": "/", "title": "Home"}, {"path": "/b"}]), table=PAGES)
        assert [row["title"] for row in read] == ["Home", None]


class TestChildren:
    def test_positions_and_parents(self) -> None:
        read = rows(VISIT, {**visit(route=[{"path": "/end"}], date="2026-03-19"), "id": "v2"}, table=PAGES)
        assert [(row["visit_id"], row["position"], row["path"]) for row in read] == [
            ("v1", 0, "/"), ("v1", 1, "/price"), ("v2", 0, "/end"),
        ]  # fmt: skip
        assert [row["visit_date"].day for row in read] == [18, 18, 19]
        assert {row["account_id"] for row in read} == {"a"}

    def test_lists_that_are_missing(self) -> None:
        table = PAGES.rows(
            [visit(route=None), visit(route=[]), {"id": "v3"}, {"id": "v4", "attributes": None}], account_id="a"
        )
        assert table.num_rows == 0
        assert table.schema == PAGES.schema

    def test_of_what_has_no_children_nothing_is_read(self) -> None:
        assert rows(VISIT, visit(route=[], date="18.03.2026"), table=PAGES) == rows(VISIT, table=PAGES)

    def test_elements_that_are_scalars(self) -> None:
        read = rows({"id": "l1", "tags": ["hot", 5, None]}, {"id": "l2", "tags": []}, table=TAGS)
        assert read == [
            {"lead_id": "l1", "position": 0, "tag": "hot"},
            {"lead_id": "l1", "position": 1, "tag": "5"},
            {"lead_id": "l1", "position": 2, "tag": None},
        ]

    @pytest.mark.parametrize("value", ["hot", {"0": "hot"}, 5])
    def test_no_list(self, value: object) -> None:
        with pytest.raises(AnswerError, match="tags: expected a list at 'tags'"):
            rows({"id": "l1", "tags": value}, table=TAGS)

    def test_a_parent_without_its_key(self) -> None:
        with pytest.raises(AnswerError, match="tags: a row has no lead_id"):
            rows({"tags": ["hot"]}, table=TAGS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.sampled_from(
        ["", "true", "12", "nan", "2026-03-18", "2026-03-18T10:00:00Z", "1e400", "12:30", "٣"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
PATHS = [
    (),
    ("id",),
    ("attributes",),
    *(("attributes", name) for name in VISIT["attributes"]),
    ("attributes", "place", "city"),
    ("attributes", "route", 0),
    ("attributes", "route", 1, "path"),
    ("attributes", "never seen"),
]


def mutate(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    step, *rest = path
    if isinstance(document, dict):
        return {**document, step: mutate(document.get(step), tuple(rest), value)}
    if isinstance(document, list) and isinstance(step, int) and step < len(document):
        return [mutate(item, tuple(rest), value) if n == step else item for n, item in enumerate(document)]
    return value


@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=3))
def test_strange_json_raises_nothing_but_an_answer_error(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document: Any = VISIT
    for path, value in changes:
        document = mutate(document, path, value)
    for table in (VISITS, PAGES):
        try:
            read = table.rows([VISIT, document], account_id="a")
        except AnswerError as error:
            assert str(error).startswith(table.name)  # noqa: PT017
            continue
        for field in table.schema:
            assert read.schema.field(field.name) == field
        assert not any(read[name].null_count for name in table.key)


class TestMarkers:
    def test_they_name_a_scope_and_fail_the_guard(self) -> None:
        days = [date(2026, 3, 17), date(2026, 3, 18)]
        markers = VISITS.markers([("a", day) for day in days])
        assert markers.schema == VISITS.schema
        assert [(row["account_id"], row["visit_date"], row["id"]) for row in markers.to_pylist()] == [
            ("a", day, "") for day in days
        ]
        assert VISITS.guard == "id <> ''"

    def test_of_a_child(self) -> None:
        (marker,) = TAGS.markers([("l1",)]).to_pylist()
        assert marker == {"lead_id": "l1", "position": -1, "tag": None}
        assert TAGS.guard == "position >= 0"

    def test_one_that_only_makes_the_table_known(self) -> None:
        (marker,) = VISITS.markers().to_pylist()
        assert (marker["account_id"], marker["id"], marker["visit_date"]) == ("", "", date(1970, 1, 1))

    def test_of_a_table_that_is_keyed_by_an_instant(self) -> None:
        table = Table("states", (Column("id", "id"), Column("since", "timestamp")), key=("id", "since"))
        (marker,) = table.markers().to_pylist()
        assert marker == {"id": "", "since": datetime(1970, 1, 1, tzinfo=UTC)}
        assert table.guard == "id <> ''"

    def test_no_scopes_no_markers(self) -> None:
        empty = TAGS.markers([])
        assert (empty.num_rows, empty.schema) == (0, TAGS.schema)

    def test_they_go_with_rows(self) -> None:
        both = concat([VISITS.markers([("a", date(2026, 3, 18))]), VISITS.rows([visit(fresh=1)], account_id="a")])
        assert both["fresh"].to_pylist() == [None, "1"]


class TestHints:
    def test_a_scope_is_replaced_by_a_scope(self) -> None:
        merge = VISITS.hints["write_disposition"]
        assert (merge["disposition"], merge["strategy"]) == ("merge", "delete-insert")
        assert merge["source_filter"] == VISITS.guard
        assert merge["destination_scope"] == (
            "(account_id, visit_date) IN (SELECT account_id, visit_date FROM {staging_table}) AND visit_date "
            "BETWEEN (SELECT min(visit_date) FROM {staging_table}) AND (SELECT max(visit_date) FROM {staging_table})"
        )
        assert VISITS.hints["primary_key"] == ["account_id", "id"]

    def test_without_a_scope_rows_replace_rows(self) -> None:
        table = Table("leads", (Column("id", "id", "id"),), key=("id",))
        assert "destination_scope" not in table.hints["write_disposition"]
        assert table.hints["primary_key"] == ["id"]

    def test_json_is_said_to_be_json(self) -> None:
        assert VISITS.hints["columns"] == {"cookies": {"data_type": "json"}}

    def test_dlt_takes_them(self) -> None:
        resource = dlt.resource([], name="visits").apply_hints(**VISITS.hints)
        columns = resource.compute_table_schema()["columns"]
        assert columns["cookies"]["data_type"] == "json"
        assert {name for name, c in columns.items() if c.get("primary_key")} == {"account_id", "id"}
        assert VISITS.resource_hints()["table_name"] == "visits"


class TestLast:
    @settings(max_examples=50)
    @given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=12))
    def test_last_of_each(self, keys: list[tuple[str, int]]) -> None:
        table = pa.table(
            {
                "account": pa.array([a for a, _ in keys], pa.string()),
                "id": pa.array([n for _, n in keys], pa.int64()),
                "at": pa.array(range(len(keys)), pa.int64()),
            }
        )
        newest = {key: at for at, key in enumerate(keys)}
        read = last_of_each(table, ("account", "id")).to_pylist()
        assert [row["at"] for row in read] == sorted(newest.values())
        assert {(row["account"], row["id"]): row["at"] for row in read} == newest

    def test_a_child_of_an_older_batch_does_not_survive(self) -> None:
        def batch(**tags: list[str]) -> pa.Table:
            seen = [{"id": lead, "tags": list_} for lead, list_ in tags.items()]
            return concat([TAGS.markers([(lead,) for lead in tags]), TAGS.rows(seen)])

        batches = [
            TAGS.markers(),
            batch(l1=["old", "older"], l2=["kept"], l3=["gone"]),
            batch(l1=["new"]),
            batch(l3=[]),
        ]
        read = last_batch_of_each(batches, TAGS.scope)
        assert read.column_names == TAGS.schema.names
        found = sorted(
            (row["lead_id"], row["position"], row["tag"]) for row in read.to_pylist() if row["position"] >= 0
        )
        assert found == [("l1", 0, "new"), ("l2", 0, "kept")]
        assert {row["lead_id"] for row in read.to_pylist() if row["position"] < 0} == {"", "l1", "l2", "l3"}

    def test_a_column_of_one_batch_only(self) -> None:
        one = PAGES.rows([visit(route=[{"path": "/", "fresh": "x"}])], account_id="a")
        two = PAGES.rows([{**VISIT, "id": "v2"}], account_id="b")
        read = last_batch_of_each([one, two], ("account_id", "visit_id"))
        assert sorted(map(str, read["fresh"].to_pylist())) == ["None", "None", "x"]


def test_within_keeps_both_ends() -> None:
    first = date(2026, 3, 1)
    table = pa.table({"day": pa.array([first + timedelta(days=n) for n in range(10)] + [None], pa.date32())})
    read = within(table, "day", date(2026, 3, 3), date(2026, 3, 5))["day"].to_pylist()
    assert read == [date(2026, 3, day) for day in (3, 4, 5)]
    assert within(table, "day", date(2027, 1, 1), date(2027, 1, 2)).num_rows == 0


class TestHistory:
    STATES = Table(
        "states",
        columns=(
            Column("lead_id", "id", "lead"),
            Column("status", at="status"),
            Column("at", "timestamp", "at"),
            *HISTORY,
        ),
        key=("version",),
        scope=("lead_id",),
        history=True,
    )

    def versions(self, *states: dict[str, Any]) -> list[str]:
        found: list[str] = self.STATES.rows(states)["version"].to_pylist()
        return found

    def test_equal_states_have_equal_versions(self) -> None:
        state = {"lead": "a", "status": "new", "at": "2026-03-01T00:00:00Z"}
        one, same, other, later = self.versions(
            state,
            state | {"at": "2026-03-01T01:00+01:00"},
            state | {"status": "old"},
            state | {"at": "2026-03-01T01:00Z"},
        )
        assert one == same
        assert len({one, other, later}) == 3
        # as it was written by the first release: another digest would end every state that lasts
        assert one == "2b9d84af53172f3c957584a917a856425980d92fd6593ade2c54b33156d920f4"

    def test_a_column_that_is_new_and_empty_changes_no_version(self) -> None:
        state = {"lead": "a", "status": "new"}
        more = replace(self.STATES, columns=(Column("more", at="more"), *self.STATES.columns))
        assert more.rows([state])["version"].to_pylist() == self.versions(state)
        assert more.rows([state | {"more": 1}])["version"].to_pylist() != self.versions(state)

    def test_states_of_a_scope_end_and_come_back(self, tmp_path: Path) -> None:
        pipeline = dlt.pipeline(
            "acme", destination=dlt.destinations.duckdb(str(tmp_path / "a.duckdb")), dataset_name="acme"
        )

        def seen(leads: list[str], **statuses: str) -> list[tuple[str, str, bool]]:
            rows = self.STATES.rows([{"lead": lead, "status": status} for lead, status in statuses.items()])
            whole = concat([self.STATES.markers([(lead,) for lead in leads]), rows])
            pipeline.run(dlt.resource([self.STATES.hinted(whole)], name="states"), loader_file_format="parquet")
            with pipeline.sql_client() as client:
                found = client.execute_sql(
                    "SELECT lead_id, status, valid_to IS NULL FROM states ORDER BY valid_from, 1"
                )
            return [(str(lead), str(status), bool(lasts)) for lead, status, lasts in found or ()]

        assert seen(["a", "b"], a="new", b="new") == [("a", "new", True), ("b", "new", True)]
        # what is not in the scope is left alone
        assert seen(["a"], a="won") == [("a", "new", False), ("b", "new", True), ("a", "won", True)]
        assert seen(["a", "b"], a="new") == [
            ("a", "new", False), ("b", "new", False), ("a", "won", False), ("a", "new", True),
        ]  # fmt: skip
