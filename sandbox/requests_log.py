"""What was asked of the sandbox."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

KEPT = 200_000


@dataclass
class Seen:
    """One request. `path` is without the vendor's prefix; `status` is None while it is unanswered or was cut."""

    time: float
    vendor: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str
    status: int | None = None


class RequestLog:
    """The requests so far, oldest first. Threads may read it while the server writes."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()

    def find(
        self,
        path: str = "*",
        *,
        vendor: str | None = None,
        method: str | None = None,
        status: int | None = None,
        query: dict[str, str] | None = None,
    ) -> list[Seen]:
        """Those that fit; `path` is a glob, `query` what must be among the parameters."""
        return [
            seen
            for seen in self
            if fnmatchcase(seen.path, path)
            and vendor in (None, seen.vendor)
            and method in (None, seen.method)
            and status in (None, seen.status)
            and (query or {}).items() <= seen.query.items()
        ]

    def count(
        self,
        path: str = "*",
        *,
        vendor: str | None = None,
        method: str | None = None,
        status: int | None = None,
        query: dict[str, str] | None = None,
    ) -> int:
        return len(self.find(path, vendor=vendor, method=method, status=status, query=query))

    def __iter__(self) -> Iterator[Seen]:
        with self._lock:
            return iter(list(self._seen))

    def __len__(self) -> int:
        return len(self._seen)
