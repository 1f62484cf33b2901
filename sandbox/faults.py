"""Named troubles. A fault says which one, for which requests, and how often; the first that fits happens.

| name | what happens |
|---|---|
| `latency` | the answer comes `seconds` later |
| `status` | `status`, to `location`, instead of an answer: the vendor's documented body, or `body`; 502, 504: HTML |
| `html` | 200, and a login page in HTML |
| `wrong_shape` | 200, and JSON of another shape (`body`) |
| `cut_headers` | the connection ends before the headers |
| `cut_body` | it ends in a chunked body, after `after` bytes or half of the first piece |
| `short_body` | it ends before as many bytes as Content-Length said |
| `stall` | headers and half a body, then silence for `seconds` |
| `repeat_page` | the rows of the page before it, under the right links |
| `shift_page` | since the page before, `rows` new ones came on top (negative: so many are gone) |
| `wrong_total` | `rows` more are counted than there are (negative: fewer), where the vendor counts |
| `loop_link` | `links.next` names the page itself |
"""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

NAMES = (
    "latency",
    "status",
    "html",
    "wrong_shape",
    "cut_headers",
    "cut_body",
    "short_body",
    "stall",
    "repeat_page",
    "shift_page",
    "wrong_total",
    "loop_link",
)


@dataclass(frozen=True)
class Fault:
    """One trouble.

    It meets requests whose vendor, method, path (a glob, without the vendor's prefix), account and page
    fit; begins with the `nth` of them, happens `times` times (None: always), and each time only with this
    `chance`.
    """

    name: str
    times: int | None = 1
    vendor: str | None = None
    method: str | None = None
    path: str = "*"
    account: str | None = None
    page: int | None = None
    nth: int = 1
    chance: float = 1.0
    status: int = 500
    retry_after: int | str | None = None
    location: str | None = None
    seconds: float = 1.0
    after: int | None = None
    rows: int = 1
    body: Any = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"no such fault: {self.name!r}; there are {', '.join(NAMES)}")

    def fits(self, call: "Call") -> bool:
        return (
            self.vendor in (None, call.vendor)
            and self.method in (None, call.method)
            and self.account in (None, call.account)
            and self.page in (None, call.page)
            and fnmatchcase(call.path, self.path)
        )

    def moved_rows(self, size: int) -> int:
        """How many rows earlier than asked a page of this size begins."""
        return {"repeat_page": size, "shift_page": self.rows}.get(self.name, 0)

    @property
    def counted_rows(self) -> int:
        """How many rows more than there are the answer counts."""
        return self.rows if self.name == "wrong_total" else 0


@dataclass(frozen=True)
class Call:
    """What a fault can tell requests apart by."""

    vendor: str
    method: str
    path: str
    account: str | None
    page: int | None


@dataclass
class _Planned:
    fault: Fault
    met: int = 0
    done: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.done >= self.fault.times


@dataclass
class Faults:
    """The faults planned for a sandbox."""

    seed: int = 1
    _planned: list[_Planned] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, fault: Fault | str, **details: Any) -> Fault:
        """`add(Fault("status", status=503))` or `add("status", status=503)`."""
        made = fault if isinstance(fault, Fault) else Fault(fault, **details)
        with self._lock:
            self._planned.append(_Planned(made))
        return made

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    @property
    def pending(self) -> list[Fault]:
        """Those that have not happened as often as they should."""
        with self._lock:
            return [each.fault for each in self._planned if each.fault.times is not None and not each.spent]

    def meet(self, call: Call) -> Iterator[Fault]:
        """What happens to this request: any latency, and one other trouble."""
        with self._lock:
            troubled = False
            for each in self._planned:
                fault = each.fault
                if each.spent or not fault.fits(call) or (troubled and fault.name != "latency"):
                    continue
                each.met += 1
                if each.met < fault.nth or self._random.random() >= fault.chance:
                    continue
                each.done += 1
                troubled = troubled or fault.name != "latency"
                yield fault
