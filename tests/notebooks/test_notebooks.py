"""The notebooks run top to bottom in a kernel of their own, and are stored as they are written."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from html import escape
from pathlib import Path

import duckdb
import nbformat
import pyarrow as pa
import pytest
from nbclient import NotebookClient

from notebooks.look import figures, say, table
from pipelines.reading import Reader, month
from pipelines.report import rendered
from pipelines.warehouse import Warehouse, WarehouseError
from tests.models.conftest import House

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
CLEAN = "clear it: jupyter nbconvert --clear-output --inplace notebooks/*.ipynb"


def stored(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    assert isinstance(notebook, nbformat.NotebookNode)
    return notebook


@EACH
def test_is_stored_without_output(path: Path) -> None:
    notebook = stored(path)
    nbformat.validate(notebook)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        if cell.cell_type == "code":
            assert cell.outputs == [], CLEAN
            assert cell.execution_count is None, CLEAN


@EACH
def test_runs_top_to_bottom(path: Path, in_duckdb: House) -> None:
    """As Jupyter runs it: a process that begins in the notebook's folder."""
    notebook = stored(path)
    with in_duckdb.at_home():
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}})
        client.execute(env=dict(os.environ))
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"execute_result"}
    shown = [output.data for output in outputs]
    assert sum("image/svg+xml" in data for data in shown) >= 2
    assert sum("<td" in data.get("text/html", "") for data in shown) >= 2


@EACH
def test_both_databases_show_the_same(path: Path, in_duckdb: House, in_postgres: House) -> None:
    shown = []
    for house in (in_duckdb, in_postgres):
        with house.at_home():
            shown.append([*rendered(path, {}, destination=house.destination)])
    for one, other in zip(*shown, strict=True):
        # rows of plots come in any order
        assert one == other or "<img" in one
    assert len(set(shown[0])) > len(shown[0]) / 2


def test_an_open_notebook_holds_nobody_up(loaded: House) -> None:
    reader = Reader(loaded.destination)
    assert reader.row("select count(*) as sites from marts.accounts") == {"sites": 2}
    with Warehouse(loaded.destination, clock=loaded.clock).open() as client:
        client.execute_sql("DROP TABLE IF EXISTS ops.nothing")


def test_a_notebook_cannot_write(loaded: House) -> None:
    with pytest.raises(WarehouseError, match="read-only"):
        Reader(loaded.destination).query("drop table marts.accounts")


def test_a_mart_that_is_not_there_says_how_to_get_it(loaded: House) -> None:
    with pytest.raises(WarehouseError, match="build the models with leadhouse transform"):
        Reader(loaded.destination).query("select * from marts.nothing")


def test_numbers_are_numbers_in_both(loaded: House) -> None:
    found = Reader(loaded.destination).query(
        "select sum(visits) as whole, avg(visits) as part, cast(1.50 as decimal(9, 2)) as price, "
        "max(visit_date) as day from marts.company_days where visit_date <= $1",
        date(2026, 3, 1),
    )
    assert [str(field.type) for field in found.schema] == ["int64", "double", "double", "date32[day]"]
    assert found["price"].to_pylist() == [1.5]


@pytest.fixture
def runs(house: Path) -> Callable[[str], Reader]:
    """A warehouse that holds nothing but these rows of marts.freshness."""

    def make(rows: str) -> Reader:
        with duckdb.connect(str(house / "leadhouse.duckdb")) as connection:
            connection.execute("CREATE SCHEMA marts")
            connection.execute(
                "CREATE TABLE marts.freshness (account_id TEXT, loaded_from DATE, loaded_until DATE, "
                "last_run_at TIMESTAMPTZ, stream TEXT DEFAULT 'visits')"
            )
            connection.execute(
                f"INSERT INTO marts.freshness(account_id, loaded_from, loaded_until, last_run_at) VALUES {rows}"
            )
        return Reader()

    return make


OLD = "('1', '2025-11-05', '2026-04-01', '2026-04-01 04:17+00')"


@pytest.mark.parametrize(
    ("rows", "asked", "found"),
    [
        # in the middle of a month: up to yesterday, against the same days
        ("('1', '2026-01-01', '2026-03-18', '2026-03-18 04:17+00')", "", "03-01 03-17 02-01 02-17"),
        # on the first, the month before is the newest with a whole day
        (OLD, "", "03-01 03-31 02-01 02-28"),
        (OLD, "2026-02", "02-01 02-28 01-01 01-31"),
        # longer than the month before is
        ("('1', '2026-01-01', '2026-03-31', '2026-03-31 04:17+00')", "", "03-01 03-30 02-01 02-28"),
        # not loaded from its first day on, and nothing to compare with
        (OLD, "2025-11", "11-05 11-30 None None"),
        (OLD, "2025-12", "12-01 12-31 None None"),
        # a site that began later cannot be compared
        (OLD + ", ('2', '2026-03-03', '2026-04-01', '2026-04-01 04:17+00')", "", "03-01 03-31 None None"),
        # one API lags, the other speaks for the site
        (OLD + ", ('1', '2026-02-02', '2026-02-03', '2026-04-01 04:17+00')", "", "03-01 03-31 02-01 02-28"),
    ],
)
def test_the_days_of_a_month(runs: Callable[[str], Reader], rows: str, asked: str, found: str) -> None:
    days = month(runs(rows), asked)
    ends = (days.first, days.last, days.before_first, days.before_last)
    assert " ".join(str(day and f"{day:%m-%d}") for day in ends) == found
    assert not asked or f"{days.first:%Y-%m}" == asked


@pytest.mark.parametrize("asked", ["2025-10", "2026-04", "2026-05"])
def test_a_month_without_a_whole_day(runs: Callable[[str], Reader], asked: str) -> None:
    with pytest.raises(WarehouseError, match=f"no whole day of {asked} is loaded; load it with leadhouse sync --from"):
        month(runs(OLD), asked)


def test_what_a_company_calls_itself_is_only_a_name() -> None:
    name = '<script src="http://example.com">![x](http://example.com/x.png) & <http://example.com>'
    for shown in (say(f"# {name}"), say(name), table(pa.table({"company": [name]}))):
        assert escape(name) in shown


def test_differences() -> None:
    shown = figures(
        {"visits": 1200, "left %": 20.4, "new": 3, "days": 7}, {"visits": 1000, "left %": 24.9, "days": 7.01}
    )
    assert re.findall(r">([^<>]+)</div>", shown) == [
        *("1,200", "visits", "+20 %"),
        *("20 %", "left", "−4 points"),
        *("3", "new"),
        *("7", "days", "+0 %"),
    ]


def test_a_warehouse_that_is_being_loaded_says_so(runs: Callable[[str], Reader], house: Path) -> None:
    reader = runs(OLD)
    path = house / "leadhouse.duckdb"
    loading = f"import duckdb; held = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", loading], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(WarehouseError, match="is being loaded; run again when that has ended"):
            month(reader)
        process.stdin.write(b"\n")
        process.stdin.close()
    assert month(reader)
