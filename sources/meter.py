"""What reading something has cost."""

import threading
from dataclasses import dataclass


@dataclass
class Meter:
    """Several threads may add to one; `credits` are None where nothing costs any."""

    requests: int = 0
    retries: int = 0
    seconds_waited: float = 0.0
    credits: int | None = None

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
