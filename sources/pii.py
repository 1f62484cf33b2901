"""Personal data: kept, hashed or dropped, in every column that is declared to hold some."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from .tables import Table

Policy = Literal["keep", "hash", "drop"]
_DIGEST = re.compile(r'"?[0-9a-f]{64}"?')
# fields that a vendor adds tomorrow
_TELLING = re.compile(r"e_?mail|phone|first_name|last_name|full_name|visitor_")


@dataclass(frozen=True)
class Pii:
    """What becomes of personal data. The hash is keyed and the same in every table, so that joins still work."""

    policy: Policy = "keep"
    key: str = ""

    def clean(self, table: Table, rows: pa.Table) -> pa.Table:
        """The rows as they may be loaded."""
        if self.policy == "keep":
            return rows
        declared = {column.name: column for column in table.columns}
        for place, field in enumerate(rows.schema):
            column = declared.get(field.name)
            if column.pii if column else _TELLING.search(field.name):
                form = '"{}"' if column and column.type == "json" else "{}"
                values = [self._clean(value, form) for value in rows[field.name].to_pylist()]
                rows = rows.set_column(place, field, pa.array(values, field.type))
        return table.versioned(rows)

    def _clean(self, value: str | None, form: str) -> str | None:
        if value is None or self.policy == "drop":
            return None
        if _DIGEST.fullmatch(value):
            # what has been hashed stays: a row is written again with what the warehouse knows of it
            return value
        # the same address is written in different ways
        digest = hmac.new(self.key.encode(), value.strip().casefold().encode(), hashlib.sha256)
        return form.format(digest.hexdigest())


KEEP = Pii()
