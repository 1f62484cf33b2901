"""The benchmark at a tiny scale: every figure is there, and whoever is compared has landed the same rows."""

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.loads import agree

NAMES = {"A", "A least", "A default", "B", "D first", "D daily", "F", "G wall", "G cpu", "G help", "H"}


def test_every_figure_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--rounds", "1", "--visits", "60", "--days", "2", "--default-visits", "60"])
    printed = json.loads(capsys.readouterr().out)
    assert {figure["name"] for figure in printed["figures"]} == NAMES
    assert all(figure["ratio"] > 0 and figure["compared"] for figure in printed["figures"])


def test_the_rate_that_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "rate", "--vendor", "leadfeeder", "--minutes", "0.02", "--latency", "0.05"])
    kept, busiest, refused = json.loads(capsys.readouterr().out)["figures"]
    assert [kept["name"], busiest["name"], refused["name"]] == [
        "C leadfeeder", "C leadfeeder busiest", "C leadfeeder refused",
    ]  # fmt: skip
    assert kept["ratio"] > 0


def test_other_rows_are_no_figure() -> None:
    agree({"visits": 3, "locations": 1}, {"visits": 3})
    with pytest.raises(RuntimeError, match="not the same rows"):
        agree({"visits": 3}, {"visits": 2})
