"""How long an answer's headers ask us to wait before the next request."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests

# digits of an instant in seconds; one in milliseconds has more
SECONDS = 11


def pause_after(refused: requests.Response, now: datetime, turn: timedelta) -> float:
    """Seconds until the vendor's window turns: as a 429 says, or else with the clock, at the next full `turn`."""
    after = refused.headers.get("Retry-After", "").strip()
    if after.isdigit():
        return max(float(after), 0.1)
    if after:
        try:
            until = parsedate_to_datetime(after)
            # `-0000` is UTC, but comes without a zone
            until = until if until.tzinfo else until.replace(tzinfo=UTC)
            return max((until - now).total_seconds(), 0.1)
        except ValueError:
            pass
    seconds = _reset(refused, now)
    return seconds if seconds is not None else turn.total_seconds() - now.timestamp() % turn.total_seconds() + 0.1


def left_of_window(answer: requests.Response, now: datetime) -> tuple[int, float] | None:
    """How many requests are left, and for how many seconds; None where the answer does not say."""
    left = answer.headers.get("X-RateLimit-Remaining", "").strip()
    seconds = _reset(answer, now)
    return (int(left), seconds) if left.isdigit() and seconds is not None else None


def _reset(answer: requests.Response, now: datetime) -> float | None:
    """Seconds until the vendor's window turns, by `X-RateLimit-Reset`."""
    reset = answer.headers.get("X-RateLimit-Reset", "").strip()
    if not reset.isdigit():
        return None
    # an instant when it is large, a span otherwise: the vendors do not say which
    seconds = float(reset) / (1000 if len(reset) > SECONDS else 1)
    return max(seconds - now.timestamp() if seconds > 1e9 else seconds, 0.1)
