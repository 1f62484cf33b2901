"""The notebooks run top to bottom in a kernel of their own, and the report of the month is one of them as a file."""

import base64
import os
import re
import shutil
from collections.abc import Iterator
from datetime import date
from html import unescape
from pathlib import Path

import duckdb
import nbformat
import pytest
from nbclient import NotebookClient
from typer.testing import CliRunner

from pipelines import cli
from pipelines.reading import Reader
from pipelines.report import rendered, report
from pipelines.warehouse import Warehouse, WarehouseError

from .conftest import HOSTILE, House, Told

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
CLEAN = "clear it: jupyter nbconvert --clear-output --inplace notebooks/*.ipynb"


@pytest.fixture
def in_duckdb(told_in_duckdb: Told) -> House:
    return told_in_duckdb.house


@pytest.fixture
def in_postgres(told_in_postgres: Told) -> House:
    return told_in_postgres.house


@pytest.fixture
def loaded(told: Told) -> Iterator[House]:
    """Each warehouse in turn, which the settings of the test lead to."""
    with told.house.at_home():
        yield told.house


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
        with house.at_home() as warehouse:
            with warehouse.open() as client:
                # how long a run waited is chance
                client.execute_sql("UPDATE ops.runs SET started_at = date_trunc('hour', started_at)")
                client.execute_sql("UPDATE ops.runs SET finished_at = started_at")
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


def test_a_name_is_what_it_was(loaded: House) -> None:
    reader = Reader(loaded.destination)
    assert set(HOSTILE) <= set(reader.query("select name from marts.companies")["name"].to_pylist())
    feeds = reader.query("select distinct name, custom_feed_id from marts.feeds").to_pylist()
    assert {"name": HOSTILE[0], "custom_feed_id": HOSTILE[1]} in feeds


# ---- the report

IMAGE = re.compile(r'<img alt="([^"]*)" src="data:image/svg\+xml;base64,([^"]+)">')


def told(*words: str) -> tuple[int, str]:
    """What `leadhouse report` ends with, and its words."""
    ended = CliRunner().invoke(cli.app, ["report", *words])
    return ended.exit_code, ended.output.strip()


def test_it_says_where_it_is_and_is_named_after_its_month(in_postgres: House, house: Path) -> None:
    """The others read DuckDB."""
    to = ("--destination", "postgres")
    elsewhere = house / "february.html"
    with in_postgres.at_home():
        assert told(*to) == (0, f"The site in March 2026: {house / 'leadhouse-2026-03.html'}")
        code, words = told(*to, "--month", "2026-02", "--output", "february.html")
    assert (code, words) == (0, f"The site in February 2026: {elsewhere}")
    page = elsewhere.read_text("utf-8")
    assert "<title>The site in February 2026</title>" in page
    # the password of the tests' server
    assert "not-a-secret" not in page


def test_it_loads_nothing(in_duckdb: House, house: Path) -> None:
    with in_duckdb.at_home():
        page = report("duckdb").path.read_text("utf-8")
    plots = IMAGE.findall(page)
    assert len(plots) >= 5
    assert len({title for title, _ in plots if title}) == len(plots)
    assert not re.search(r"<(script|link|iframe|object|base|b)\b|@import|https?://", page)
    assert HOSTILE[0] in unescape(page)
    assert set(re.findall(r"(?:src|href)=.(\w+:)", page)) == {"data:"}
    assert "url(" not in page
    for _, data in plots:
        picture = base64.b64decode(data).decode()
        # names of vocabularies are no addresses
        assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]+"', "", picture))
        assert not re.search(r"<(script|image|foreignObject)\b", picture)


def test_the_figures_are_the_storys(in_duckdb: House, house: Path) -> None:
    with in_duckdb.at_home():
        page = report("duckdb").path.read_text("utf-8")
    world = in_duckdb.sandbox.world
    counted = [
        sum(
            first.isoformat() <= visit.day <= last.isoformat()
            for account in world.accounts
            for visit in world.history(account).visits
        )
        for first, last in (
            (date(2026, 3, 1), date(2026, 3, 6)),
            (date(2026, 2, 1), date(2026, 2, 6)),
        )
    ]
    assert "1–6 March 2026" in page
    assert "Compared with 1–6 February." in page
    visits, change = re.findall(r">([\d,]+)</div><div>visits</div><div[^>]*>(.*?) %</div>", page)[0]
    assert int(visits.replace(",", "")) == counted[0] > 0
    assert int(change.replace("−", "-")) == round(100 * (counted[0] / counted[1] - 1))
    assert "not loaded yet" not in page


def test_it_says_what_is_missing(in_duckdb: House, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = house / "lagging.duckdb"
    shutil.copy(in_duckdb.folder / "house.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE marts.freshness SET loaded_until = DATE '2026-03-02' WHERE account_id = '6002'")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(copy))
    page = report("duckdb").path.read_text("utf-8")
    missing = page.partition("not loaded yet")[2].partition("</table>")[0]
    assert re.findall(r"<td[^>]*>(.*?)</td>", missing)[1:] == ["2 Mar 2026", ""]


def test_sites_that_nobody_visited(in_duckdb: House, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = house / "quiet.duckdb"
    shutil.copy(in_duckdb.folder / "house.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        for mart in ("visits", "page_views", "company_days", "traffic_sources", "companies", "crm_funnel"):
            connection.execute(f"DELETE FROM marts.{mart}")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(copy))
    assert ">0</div><div>visits</div>" in report("duckdb").path.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--month", "March"], 2, "leadhouse: --month is 'March', which is no month; give it as YYYY-MM"),
        (["--month", "2026-13"], 2, "leadhouse: --month is '2026-13', which is no month; give it as YYYY-MM"),
        (["--output", "no/where.html"], 2, "leadhouse: --output: the folder {}/no does not exist; make it first"),
        (["--output", "."], 2, "leadhouse: {} cannot be written: Is a directory; name another with --output"),
        (
            ["--destination", "weaviate"],
            2,
            "leadhouse: weaviate cannot replace a day that is read again; choose duckdb, postgres, filesystem "
            "(a lake) or another database",
        ),
        (
            ["--month", "2020-01"],
            1,
            "leadhouse: no whole day of 2020-01 is loaded; load it with leadhouse sync --from 2020-01-01 "
            "--to 2020-01-31, then build the models with leadhouse transform",
        ),
    ],
)
def test_what_it_cannot_do(in_duckdb: House, house: Path, words: list[str], code: int, says: str) -> None:
    with in_duckdb.at_home():
        assert told(*words) == (code, says.format(house))
    assert not [*house.glob("*.html")]


def test_nothing_is_loaded(house: Path) -> None:
    assert told() == (1, f"leadhouse: {house}/leadhouse.duckdb is not there; load it with leadhouse sync --transform")
