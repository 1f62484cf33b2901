"""A command that kills itself at the n-th thing it does: a request, an SQL statement, a change of its files.

Each counts twice where it can be cut in two: before and after. In the forked process only.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from tests.pipelines.cli_process import _command

FILES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


class Moments:
    """Counts what the process does; at the `last` one it is gone."""

    def __init__(self, last: int | None) -> None:
        self.count = 0
        self._last = last
        self._lock = threading.Lock()

    def pass_by(self) -> None:
        with self._lock:
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        @wraps(original)
        def watched(*arguments: Any, **named: Any) -> Any:
            self.pass_by()
            done = original(*arguments, **named)
            self.pass_by()
            return done

        setattr(owner, name, watched)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if event in FILES or writes:
            self.pass_by()


def command(
    words: tuple[str, ...], environment: Mapping[str, str], folder: Path, stdout: Path, stderr: Path, last: int | None
) -> None:
    """Run a command until its `last` moment; without one, leave the count of moments beside its output."""
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
    from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
    from requests.adapters import HTTPAdapter

    moments = Moments(last)
    moments.around(HTTPAdapter, "send")
    for client in (DuckDbSqlClient, Psycopg2SqlClient):
        for name in ("execute_query", "begin_transaction", "commit_transaction"):
            moments.around(client, name)
    sys.addaudithook(moments.audit)
    if last is None:
        atexit.register(lambda: stdout.with_suffix(".moments").write_text(str(moments.count)))
    _command(words, environment, folder, stdout, stderr, None)
