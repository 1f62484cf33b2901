"""The `/v1` API as a client sees it."""

from collections.abc import Callable
from typing import Any

import requests

from sandbox import Sandbox


class V1:
    """Asks for account 6001 where nothing else is said; a parameter that is None is not sent."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.base = sandbox.base_urls["leadfeeder"]
        self.session = requests.Session()
        self.session.headers["X-Api-Key"] = sandbox.leadfeeder.options.api_key

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.base + path, params={"account_id": "6001", **params}, timeout=5)

    def post(self, path: str, body: Any, **params: Any) -> requests.Response:
        return self.session.post(self.base + path, json=body, params={"account_id": "6001", **params}, timeout=5)

    def ok(self, path: str, body: Any = None, **params: Any) -> Any:
        answer = self.get(path, **params) if body is None else self.post(path, body, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def visits(self, start: str, end: str, size: int = 100, **params: Any) -> list[dict[str, Any]]:
        asked = {"start_date": start, "end_date": end}
        return pages(lambda number: self.ok("/web-visits", asked, **numbered(number, size), **params))

    def companies(self, start: str, end: str, size: int = 100, **params: Any) -> list[dict[str, Any]]:
        asked = {"start_date": start, "end_date": end, **params}
        return pages(lambda number: self.ok("/web-visits/companies", **asked, **numbered(number, size)))

    def walk(self, path: str, body: Any = None, size: int = 100, **params: Any) -> list[dict[str, Any]]:
        """All rows, by `next_cursor`."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.ok(path, body, **{"page[cursor]": cursor or None, "page[size]": size}, **params)
            rows += page["data"]
            cursor = page["meta"]["pagination"]["next_cursor"]
        return rows


def numbered(number: int, size: int) -> dict[str, int]:
    return {"page[num]": number, "page[size]": size}


def pages(ask: Callable[[int], Any]) -> list[dict[str, Any]]:
    """All rows, by `page_count`."""
    first = ask(1)
    rows = list(first["data"])
    for number in range(2, first["meta"]["pagination"]["page_count"] + 1):
        rows += ask(number)["data"]
    return rows
