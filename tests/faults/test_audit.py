"""`make audit`: what is known to be vulnerable fails it; what nobody can be asked does not."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
FOUND = "Found 1 known vulnerability in 1 package"
OFFLINE = "ERROR:pip_audit._cli:Could not connect to the vulnerability service"


@pytest.mark.parametrize(
    ("exits", "says", "code", "told"),
    [
        (0, "No known vulnerabilities found", 0, "No known vulnerabilities found\n"),
        (1, FOUND, 1, f"{FOUND}\n"),
        (1, f"Traceback\n{OFFLINE}", 0, f"audit: nobody knows: pip-audit has no answer ({OFFLINE})\n"),
    ],
    ids=["nothing is known", "something is known", "offline"],
)
def test_what_the_tool_says(exits: int, says: str, code: int, told: str, house: Path) -> None:
    tool = house / "audit" / "bin" / "pip-audit"
    tool.parent.mkdir(parents=True)
    tool.write_text(f"#!{sys.executable}\nimport sys\nprint({says!r}, file=sys.stderr)\nsys.exit({exits})\n")
    tool.chmod(0o755)
    assert audit(house) == (code, told)


def test_there_is_no_tool(house: Path) -> None:
    code, told = audit(house, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_CONFIG_FILE="/dev/null")
    assert code == 0
    assert told.startswith("audit: nobody knows: pip-audit cannot be installed (")
    assert told.count("\n") == 1


def audit(house: Path, **environment: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, SCRIPT, "requirements.lock", house / "audit"],
        cwd=house,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout
