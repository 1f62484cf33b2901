"""What Leedo holds, read the plainest way: page after page of twenty, and nothing shared with `sources/`.

A second reading of the document that the warehouse must equal.
"""

from datetime import datetime
from typing import Any

import requests

from sandbox import Sandbox

Row = dict[str, Any]
COLUMNS = {
    "leads": ("id", "name", "email", "company", "status", "created_at"),
    "accounts": ("id", "name", "industry", "website", "created_at"),
    "contacts": ("id", "name", "email", "role", "account_id", "created_at"),
    "campaigns": ("id", "name", "status", "leads_count", "created_at"),
}
MORE = {"leads": ("phone", "updated_at"), "contacts": ("phone", "updated_at")}


class Oracle:
    def __init__(self, sandbox: Sandbox) -> None:
        settings = sandbox.settings()
        self._options = sandbox.leedo.options
        self._url = settings["SOURCES__LEEDO__BASE_URL"]
        self._headers = {"Authorization": f"Bearer {settings['SOURCES__LEEDO__API_TOKEN']}"}

    def listed(self, kind: str) -> list[Row]:
        """The rows of a list, with its columns."""
        return [{name: _value(name, row.get(name)) for name in COLUMNS[kind]} for row in self._rows(kind)]

    def detailed(self, kind: str, row_id: str) -> Row:
        """One row with the columns of its details."""
        row = self._get(f"/{kind}/{row_id}")
        return {name: _value(name, row.get(name)) for name in (*COLUMNS[kind], *MORE.get(kind, ("updated_at",)))}

    def _rows(self, kind: str) -> list[Row]:
        rows: list[Row] = []
        while page := self._get(f"/{kind}", page=len(rows) // 20 + 1, per_page=20)["data"]:
            rows += page
            if len(page) < 20:
                break
        return rows

    def _get(self, path: str, **parameters: Any) -> Any:
        # whoever looks behind the curtain is not counted
        limit, self._options.requests_per_hour = self._options.requests_per_hour, None
        try:
            answer = requests.get(self._url + path, params=parameters, headers=self._headers, timeout=30)
        finally:
            self._options.requests_per_hour = limit
        answer.raise_for_status()
        return answer.json()


def _value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("_at") and value else value
