"""What a request to the token API asks for; whatever is wrongly formatted is a 400."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from .vendor import RefusalError

_ISO = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Paging:
    """`page[number]` from 1, `page[size]` 1–100."""

    number: int
    size: int

    @property
    def begin(self) -> int:
        return (self.number - 1) * self.size


def paging(params: Mapping[str, str]) -> Paging:
    number, size = _integer(params, "page[number]", 1), _integer(params, "page[size]", 10)
    if number < 1:
        raise RefusalError(400, "page[number] must be at least 1")
    if not 1 <= size <= 100:
        raise RefusalError(400, "page[size] must be between 1 and 100")
    return Paging(number, size)


def interval(params: Mapping[str, str]) -> tuple[date, date]:
    """`start_date` and `end_date`, both required and both included."""
    start, end = _date(params, "start_date"), _date(params, "end_date")
    if start > end:
        raise RefusalError(400, "start_date must not be after end_date")
    return start, end


def fieldsets(params: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Sparse fieldsets: `fields[leads]=name,visits` asks for those two attributes of a lead."""
    return {
        name[7:-1]: frozenset(value.split(","))
        for name, value in params.items()
        if name.startswith("fields[") and name.endswith("]")
    }


def _integer(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise RefusalError(400, f"{name} must be an integer")
    return int(text)


def _date(params: Mapping[str, str], name: str) -> date:
    text = params.get(name)
    if not text:
        raise RefusalError(400, f"{name} is required")
    try:
        if _ISO.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise RefusalError(400, f"{name} must be a date (yyyy-mm-dd)")
