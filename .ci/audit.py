"""`audit.py LOCK FOLDER`: whether a release in a lock is known to be vulnerable; pip-audit is kept in the folder.

Exits 1 where one is. Where the tool or what it asks cannot be reached, it says so in a line and exits 0.
"""

import subprocess
import sys
import venv
from pathlib import Path

FOUND = "known vulnerabilit"


def main(lock: Path, folder: Path) -> int:
    """Install the tool, where it is not there yet, and ask it."""
    audit = folder / "bin" / "pip-audit"
    if not audit.exists():
        venv.create(folder, with_pip=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--timeout", "10", "--retries", "1"]
        if (ended := run(*install, "pip-audit>=2.9", seconds=120)) is None or ended.returncode:
            return unknown("pip-audit cannot be installed", ended)
    ask = ["--requirement", lock, "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", "10"]
    ended = run(audit, *ask, seconds=300)
    if ended is not None and (ended.returncode == 0 or FOUND in ended.stderr):
        sys.stdout.write(ended.stdout + ended.stderr)
        return ended.returncode
    return unknown("pip-audit has no answer", ended)


def run(*words: str | Path, seconds: float) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return None


def unknown(what: str, ended: subprocess.CompletedProcess[str] | None) -> int:
    lines = ended.stderr.strip().splitlines() if ended else []
    reason = lines[-1] if lines else "it took too long"
    sys.stdout.write(f"audit: nobody knows: {what} ({reason[:200]})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
