"""Run a command and write what it took: `timed.py RESULT COMMAND…`, in a process of its own.

The peak memory that a system reports of a child includes that of whoever forked it: so this stays tiny.
"""

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    result, *command = sys.argv[1:]
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    took = {
        "wall": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        # kilobytes, except on macOS
        "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "code": os.waitstatus_to_exitcode(status),
    }
    Path(result).write_text(json.dumps(took))


if __name__ == "__main__":
    main()
