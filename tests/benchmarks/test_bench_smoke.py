"""The benchmark at a tiny scale: every figure is there, and whoever is compared has landed the same rows."""

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.loads import agree


@pytest.mark.parametrize(
    ("letters", "names"),
    [
        ("AFH", {"A", "A least", "A rate", "A default", "F", "H"}),
        ("B", {"B"}),
        ("DG", {"D first", "D daily", "G wall", "G cpu", "G help"}),
    ],
)
def test_every_figure_is_printed(letters: str, names: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--rounds", "1", "--visits", "60", "--days", "2", "--default-visits", "30"]
    main(["--json", "--only", letters, *tiny])
    printed = json.loads(capsys.readouterr().out)
    assert {figure["name"] for figure in printed["figures"]} == names
    assert all(figure["ratio"] > 0 and figure["compared"] for figure in printed["figures"])


def test_other_rows_are_no_figure() -> None:
    agree({"visits": 3}, {"visits": 3})
    with pytest.raises(RuntimeError, match="not the same rows"):
        agree({"visits": 3}, {"visits": 2})
