"""What dlt, Arrow and the C library are told, and who may read the files with secrets."""

import logging
import os
import shlex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

# glibc's malloc.h
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
# rights are kept elsewhere there
IS_WINDOWS = os.name == "nt"


def set_up() -> None:
    """Set dlt's and Arrow's own settings, unless somebody has."""
    # dlt would report each run to its makers, and warn about hints that are meant as they are
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")
    # the staging dataset holds a copy of the last load otherwise
    os.environ.setdefault("LOAD__TRUNCATE_STAGING_DATASET", "true")
    # a job that is tried again may have been done: whoever loads begins the package again instead
    os.environ.setdefault("LOAD__RAISE_ON_MAX_RETRIES", "1")
    # Arrow's own pool keeps 80 MB of what it was given back
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # what drives a lake's storage would write warnings beside our sentences
    os.environ.setdefault("RUST_LOG", "off")


def share_heaps() -> None:
    """Two heaps for all threads, where the C library is glibc, which makes one for each: they keep 40 MB less.

    A page is kept out of them: what stays longer would lie around the hole that it leaves.
    """
    _tell_c_library("mallopt", M_ARENA_MAX, 2)
    _tell_c_library("mallopt", M_MMAP_THRESHOLD, 1 << 17)


def give_back_memory() -> None:
    """What glibc keeps for later goes back to the machine: 60 MB, after a piece has been read."""
    _tell_c_library("malloc_trim", 0)


def _tell_c_library(function: str, *arguments: int) -> None:
    import ctypes

    with suppress(OSError, TypeError, AttributeError):
        getattr(ctypes.CDLL(None), function)(*arguments)


def warn_of_readers() -> None:
    """Warn of each file with secrets that others may read."""
    for path in _secrets_files() if not IS_WINDOWS else ():
        if path.stat().st_mode & 0o044:
            log.warning("%s holds keys, and others may read it: chmod 600 %s", path, shlex.quote(str(path)))


def _secrets_files() -> Iterable[Path]:
    """The files that dlt reads secrets from: the folder's and, if there is one, the user's."""
    from dlt.common.runtime.run_context import active

    context = active()
    paths = [Path(folder) / "secrets.toml" for folder in (context.settings_dir, context.global_dir)]
    return {path.resolve(): path for path in reversed(paths) if path.is_file()}.values()
