"""The clock and the sleeps of a run, in one object, so that tests never wait and Ctrl-C is heard in every thread."""

import asyncio
import threading
import time
from datetime import UTC, datetime


class StoppedError(Exception):
    """The run was stopped while this thread slept."""


class Clock:
    """The system's clock."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep; raises StoppedError at once when `stop` is called."""
        if self._stopped.wait(max(seconds, 0)):
            raise StoppedError

    async def asleep(self, seconds: float) -> None:
        """Sleep without a thread; raises StoppedError within half a second of `stop`."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            if self.stopped:
                raise StoppedError
            await asyncio.sleep(min(left, 0.5))

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """Wake every sleeper, for good."""
        self._stopped.set()
