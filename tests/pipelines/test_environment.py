"""Arrow's memory; files with secrets that others may read, each with the command that mends it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.cli_process import leadhouse

SECRETS = Path(".dlt/secrets.toml")
SAYS = "holds keys, and others may read it: chmod 600"


def test_arrow_gives_back_what_it_does_not_need() -> None:
    """It is told before it is imported, which the commands do when it is needed."""
    words = "from pipelines import cli; cli.set_up(); import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("ARROW_")}
    asked = subprocess.run([sys.executable, "-c", words], env=env, capture_output=True, text=True, check=True)
    assert asked.stdout == "system\n"


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o644, 1), (0o604, 1)])
@pytest.mark.parametrize("command", ["sync", "check", "init --yes"])
def test_secrets_that_others_may_read(command: str, mode: int, warned: int) -> None:
    SECRETS.parent.mkdir()
    SECRETS.touch()
    SECRETS.chmod(mode)
    said = leadhouse(*command.split()).stderr
    assert said.count(SAYS) == warned
    assert (f"{SECRETS} {SAYS} {SECRETS}\n" in said) == bool(warned)


def test_the_users_own_file_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # for root dlt has another folder
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    own = tmp_path / ".dlt/secrets.toml"
    own.parent.mkdir()
    own.touch(0o644)
    assert f"{own} {SAYS} {own}\n" in leadhouse("check").stderr
    own.chmod(0o600)
    assert SAYS not in leadhouse("check").stderr


def test_windows_keeps_rights_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import environment

    SECRETS.parent.mkdir()
    SECRETS.touch(0o644)
    monkeypatch.setattr(environment, "IS_WINDOWS", True)
    assert SAYS not in leadhouse("check").stderr
