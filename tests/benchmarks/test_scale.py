"""The scale simulation against real loads, at the small end."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.scale import Measured, slopes
from tests.docs.pages import text

DAYS = 6


@pytest.mark.parametrize(
    ("vendor", "simulated", "visits_per_day"),
    [("leadfeeder_legacy", scale.legacy, 300), ("leadfeeder", scale.v1, 10)],
)
def test_requests_are_those_of_a_real_load(
    vendor: str, simulated: object, visits_per_day: float, tmp_path: Path
) -> None:
    real = scale.load(vendor, DAYS, 1, visits_per_day, tmp_path)
    assert callable(simulated)
    foretold = simulated(1, real.visits / DAYS).requests(scale.span(DAYS, datetime.now(UTC).date()))
    assert 0.6 * real.requests <= foretold <= 1.7 * real.requests, (foretold, real)
    assert real.cpu > 0
    assert real.size > 0


def test_what_grows_with_the_visits() -> None:
    cpu, size = slopes(Measured(100, 0, 3.0, 2_000_000), Measured(1_100, 0, 4.0, 3_000_000))
    assert cpu.of(0) == pytest.approx(2.9)
    assert cpu.of(2_100) == pytest.approx(5.0)
    assert size.of(2_100) == pytest.approx(4_000_000)


def test_every_size_has_a_row() -> None:
    rows = scale.rows(scale.FIRST, scale.Slope(3, 0.001), scale.Slope(1e6, 500))
    assert len(rows) == len(scale.ACCOUNTS) * len(scale.VISITS_PER_DAY)
    assert {len(row) for row in rows} == {len(scale.HEADER) + 1}


def test_the_page_says_what_the_simulation_says() -> None:
    """Requests and hours follow from the documented limits; what was measured is left out."""
    shown = [row for row in text("docs/scale.md").splitlines() if re.match(r"\| \d", row)]
    first, night = (scale.rows(days, scale.Slope(0, 0)) for days in (scale.FIRST, scale.NIGHT))
    assert [row.strip("| ").split(" | ")[:6] for row in shown] == [row[:6] for row in (*first, *night)]
