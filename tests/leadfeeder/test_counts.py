"""What the vendor counts and does not show is read again and, if it stays, put on record."""

import pytest

from pipelines.warehouse import Warehouse
from sources.windows import ONE_DAY
from tests.reading import rows_of

from .conftest import START, TODAY, VENDOR, Run, Serve, assert_equal, results

pytestmark = pytest.mark.parametrize("destination", ["duckdb"])


def test_a_count_that_lies_once(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    sandbox.faults.add("wrong_total", path="/web-visits", rows=3)
    sandbox.faults.add("wrong_total", path="/tags", rows=-1)
    run()
    assert sandbox.faults.pending == []
    assert_equal(warehouse, sandbox)


def test_a_count_that_stays_wrong_is_recorded(warehouse: Warehouse, serve: Serve, run: Run) -> None:
    sandbox = serve()
    sandbox.faults.add("wrong_total", path="/web-visits", account="6001", rows=1, times=None)
    sandbox.faults.add("wrong_total", path="/lists", account="6002", times=None)
    summary = run(expect=1)
    visits, lists = results(summary)["visits", "6001"], results(summary)["lists", "6002"]
    assert visits.status == "incomplete"
    assert "leadfeeder, account 6001, visits, 2026-03-12: " in str(visits.error)
    assert "the vendor counts 1 rows and shows 0" in str(visits.error)
    assert lists.status == "failed"
    assert "leadfeeder, account 6002, lists: the vendor counts " in str(lists.error)
    missing = warehouse.query("SELECT account_id, stream, date FROM ops.incomplete_days ORDER BY date")
    days = [START + ONE_DAY * n for n in range((TODAY - START).days + 1)]
    assert missing == [("6001", "visits", day) for day in days]
    assert {row["account_id"] for row in rows_of(warehouse, VENDOR, "visits")} == {"6002"}

    # it is tried again, and complete as soon as the count is right
    sandbox.faults.clear()
    run()
    assert_equal(warehouse, sandbox)
    assert warehouse.query("SELECT * FROM ops.incomplete_days") == []
