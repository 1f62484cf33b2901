"""What reading something has cost, and what of it was left out."""

import threading
from dataclasses import dataclass, field


@dataclass
class Meter:
    """Several threads may add to one; `credits` are None where nothing costs any. `notes` are for the summary."""

    requests: int = 0
    retries: int = 0
    seconds_waited: float = 0.0
    credits: int | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(
        self, *, requests: int = 0, retries: int = 0, seconds_waited: float = 0.0, credits_charged: int | None = None
    ) -> None:
        with self._lock:
            if credits_charged is not None:
                self.credits = (self.credits or 0) + credits_charged
            self.requests += requests
            self.retries += retries
            self.seconds_waited += seconds_waited
