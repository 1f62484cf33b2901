"""What notebooks are written with: the days of a month, names and differences as they are shown."""

import re
import subprocess
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from notebooks.look import figures, say, table
from pipelines.reading import Reader, month
from pipelines.warehouse import WarehouseError


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


def test_a_month_that_has_not_begun(runs: Callable[[str], Reader]) -> None:
    with pytest.raises(WarehouseError, match="2999-01 has not begun; give a month that has"):
        month(runs(OLD), "2999-01")


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


def test_a_warehouse_that_somebody_holds_says_so(runs: Callable[[str], Reader], house: Path) -> None:
    reader = runs(OLD)
    path = house / "leadhouse.duckdb"
    loading = f"import duckdb; held = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", loading], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(WarehouseError, match="is held by another program; run again when it is done"):
            month(reader)
        process.stdin.write(b"\n")
        process.stdin.close()
    assert month(reader)
