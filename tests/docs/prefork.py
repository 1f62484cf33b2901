"""Runs command lines one after another, each in a process of its own that is spared the imports.

`python -m tests.docs.prefork '[["check"], ["sync", "--json"]]'` prints a JSON list of [exit code, stdout, stderr].
"""

import json
import os
import sys
import tempfile
import traceback
from importlib import import_module

from pipelines import check, cli, init, progress, recover, status, sync, transform
from pipelines.vendors import VENDORS
from tests.pipelines.cli_process import LATE

IMPORTED = (check, init, progress, recover, status, sync, transform)


def run(words: list[str]) -> tuple[int, str, str]:
    """What `leadhouse` with these words ends with, and what it prints."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["leadhouse", *words]
            try:
                # it leaves by itself
                cli.main()
            except BaseException:  # noqa: BLE001 — as an interpreter ends
                traceback.print_exc()
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return code, out.read().decode(), err.read().decode()


if __name__ == "__main__":
    for vendor in VENDORS.values():
        assert vendor.package
    asked = json.loads(sys.argv[1])
    builds = any("transform" in word for words in asked for word in words)
    for module in (*LATE, *(["dbt.cli.main"] if builds else [])):
        import_module(module)
    ended = [run(words) for words in asked]
    sys.stdout.write(json.dumps(ended))
