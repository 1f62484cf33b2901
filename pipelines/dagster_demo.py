"""Dagster on the demo: `python -m pipelines.dagster_demo` serves http://localhost:3000 until Ctrl-C."""

import os
import subprocess
import sys
from pathlib import Path

from sandbox import Sandbox

from .demo import settings

HOME = Path(__file__).parents[1] / ".dagster"


def main() -> int:
    """Start the simulated vendors, and Dagster beside them; returns its exit code."""
    with Sandbox(limits=False) as sandbox:
        environment = os.environ | settings(sandbox) | {"DAGSTER_HOME": str(HOME)}
        command = [sys.executable, "-m", "dagster", "dev", "-m", "pipelines.orchestration", *sys.argv[1:]]
        with subprocess.Popen(command, env=environment) as dagster:  # noqa: S603 — own words
            try:
                return dagster.wait()
            except KeyboardInterrupt:
                # it has heard Ctrl-C as well, and has some processes to end
                return dagster.wait()


if __name__ == "__main__":
    sys.exit(main())
