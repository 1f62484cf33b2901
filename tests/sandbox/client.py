"""A clock that stands still, and the token API as a client sees it."""

from datetime import UTC, date, datetime
from typing import Any

import requests

from sandbox import Sandbox

NOON = datetime(2025, 6, 30, 12, 0, 30, tzinfo=UTC).timestamp()
TODAY = date(2025, 6, 30)


class Clock:
    """Stands still until it is told to move; waiting moves it."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Api:
    """The token API as a client sees it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.base = sandbox.base_urls["leadfeeder_legacy"]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Token token={sandbox.leadfeeder_legacy.options.token}"

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(path if "://" in path else self.base + path, params=params, timeout=5)

    def ok(self, path: str, **params: Any) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **form: Any) -> requests.Response:
        return self.session.post(self.base + path, data=form, timeout=5)

    def walk(self, path: str, start: str, end: str, size: int = 100, **params: Any) -> list[dict[str, Any]]:
        """All rows, by `links.next`."""
        page = self.ok(path, **days(start, end), **{"page[size]": size}, **params)
        rows = list(page["data"])
        while url := page["links"].get("next"):
            page = self.ok(url)
            rows += page["data"]
        return rows


def days(start: str, end: str | None = None) -> dict[str, str]:
    return {"start_date": start, "end_date": end or start}
