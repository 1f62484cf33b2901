"""Rate limits, counted the vendors' way."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class FixedWindow:
    """So many requests between two turns of the wall clock; the count starts anew at each turn. None: no limit."""

    limit: int | None
    seconds: float
    clock: Callable[[], float]
    _turn: int = -1
    _used: dict[str, int] = field(default_factory=dict)

    def admit(self, key: str) -> bool:
        turn = int(self.clock() // self.seconds)
        if turn != self._turn:
            self._turn, self._used = turn, {}
        self._used[key] = self._used.get(key, 0) + 1
        return self.limit is None or self._used[key] <= self.limit
