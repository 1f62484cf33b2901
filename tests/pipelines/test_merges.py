"""DuckDB's merges, which read the files of a load."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.destination import resolve
from sources.columns import Column
from sources.tables import Table

DAYS = Table(
    "days",
    (Column("day", "id", "day"), Column("id", "id", "id"), Column("told", "json", "told")),
    key=("day", "id"),
    scope=("day",),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name SQL has to be told with care."""
    made = tmp_path / "it's ours"
    made.mkdir()
    return made


def load(folder: Path, *batches: pa.Table) -> list[tuple[Any, ...]]:
    """Load batches as one package; returns the rows that are there then."""

    @dlt.resource(name="days", max_table_nesting=0)
    def rows() -> Iterator[Any]:
        for batch in batches:
            yield DAYS.hinted(batch)

    file = folder / "house.duckdb"
    destination, _ = resolve("duckdb", file)
    pipeline = dlt.pipeline("merged", pipelines_dir=str(folder / "dlt"), destination=destination, dataset_name="d")
    pipeline.run(rows(), loader_file_format="parquet")
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute("FROM d.days ORDER BY day, id").fetchall()


def test_days_are_replaced_and_emptied_without_a_staging_table(folder: Path) -> None:
    first = DAYS.rows([{"day": d, "id": i, "told": {"n": i}} for d in ("mon", "tue", "wed") for i in ("1", "2")])
    assert len(load(folder, DAYS.markers(), first)) == 6

    found = load(folder, DAYS.markers([("mon",), ("tue",)]), DAYS.rows([{"day": "mon", "id": "3"}]))

    assert [row[:3] for row in found] == [("mon", "3", None), ("wed", "1", '{"n":"1"}'), ("wed", "2", '{"n":"2"}')]
    with duckdb.connect(str(folder / "house.duckdb"), read_only=True) as connection:
        schemas = connection.execute("SELECT DISTINCT schema_name FROM duckdb_tables()").fetchall()
    assert schemas == [("d",)]


def test_files_of_one_load_may_differ_in_their_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_WRITER__BUFFER_MAX_ITEMS", "1")
    plain = DAYS.rows([{"day": "mon", "id": "1"}])
    wider = DAYS.rows([{"day": "mon", "id": "2"}]).append_column("fresh", pa.array(["new"]))

    found = load(folder, plain, wider, DAYS.rows([{"day": "mon", "id": "3"}]))

    assert found == [("mon", "1", None, None), ("mon", "2", None, "new"), ("mon", "3", None, None)]


def test_a_load_that_fails_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder, DAYS.rows([{"day": "mon", "id": "1", "told": []}]))
    with duckdb.connect(str(folder / "house.duckdb")) as connection:
        connection.execute("ALTER TABLE d.days ALTER COLUMN told SET NOT NULL")

    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    with pytest.raises(PipelineStepFailed):
        load(folder, DAYS.rows([{"day": "mon", "id": "2"}]))

    with duckdb.connect(str(folder / "house.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT day, id FROM d.days").fetchall() == [("mon", "1")]


def test_dlt_by_itself_can_go_on_with_the_pipeline(folder: Path) -> None:
    load(folder, DAYS.rows([{"day": "mon", "id": "1"}]))
    found = dlt.attach("merged", pipelines_dir=str(folder / "dlt")).destination
    assert (found.destination_type, found.destination_name) == ("dlt.destinations.duckdb", "duckdb")
