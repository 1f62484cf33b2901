"""What leadhouse is pointed at: simulated vendors, or nobody."""

from collections.abc import Iterator

import pytest

from sandbox import Sandbox
from tests.pipelines.cli_process import BASE_URL, NO_PORT, SECRET, TOKEN, settings, simulated


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The simulated vendors, which leadhouse is pointed at."""
    with simulated() as sandbox:
        for name, value in settings(sandbox).items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for a vendor that nobody will reach."""
    monkeypatch.setenv(SECRET, TOKEN)
    monkeypatch.setenv(BASE_URL, f"http://{NO_PORT}")
