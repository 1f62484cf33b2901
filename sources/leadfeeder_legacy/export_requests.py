"""An export request: its row in the ledger, and what the vendor says of it.

Leadfeeder API, "Exporting feeds". What the loop over them does (`exports`) stands there: a request goes by the
documented path, because the `status_url` of an answer names one that is not documented.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from ..errors import AnswerError
from ..windows import Days, parse_instant

PATH = "/export-requests"
REQUESTS_PER_MINUTE = 5

# account, feed, first and last day
Place = tuple[str, str, date, date]


class Status(StrEnum):
    """The vendor's states of a request, and two of ours."""

    PENDING = "pending"
    PROCESSED = "processed"
    FAILED = "failed"
    UNCLEAR = "unclear"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class ExportRequest:
    """A row of the ledger (`tables.EXPORT_REQUESTS`)."""

    id: str
    account_id: str
    custom_feed_id: str
    start_date: date
    end_date: date
    status: str
    created_at: datetime | None
    submitted_at: datetime
    finished_at: datetime | None = None
    attempts: int = 1
    row_count: int | None = None
    error: str | None = None

    @property
    def days(self) -> Days:
        return Days(self.start_date, self.end_date)

    @property
    def place(self) -> Place:
        """What it asks for."""
        return self.account_id, self.custom_feed_id, self.start_date, self.end_date

    @property
    def form(self) -> dict[str, str]:
        """What is posted to ask for it."""
        return {
            "account_id": self.account_id,
            "custom_feed_id": self.custom_feed_id,
            "start_date": self.start_date.isoformat(),
            "end_date": self.end_date.isoformat(),
        }

    @property
    def path(self) -> str:
        """Where the vendor tells how it fares."""
        return f"{PATH}/{quote(self.id, safe='')}"

    def taken(self, document: Any) -> "ExportRequest":
        """A draft after the vendor has taken it. Raises AnswerError."""
        answered = replace(self, finished_at=None, error=None).answered(document)
        return replace(answered, id=str(document["data"]["id"]))

    def answered(self, document: Any) -> "ExportRequest":
        """The request as the vendor's answer has it; an unknown status raises AnswerError with its text."""
        check(document)
        name, attributes = document["data"]["id"], document["data"]["attributes"]
        status = str(attributes["status"])
        if status not in (Status.PENDING, Status.PROCESSED, Status.FAILED):
            raise AnswerError(f"export request {name} has a status that is not documented: {status!r}")
        return replace(self, status=status, created_at=_instant(attributes.get("created_at")) or self.created_at)


def draft(place: Place, attempts: int, sent: datetime) -> ExportRequest:
    """What is written down before a request is sent: should the process end before the answer, this row remains."""
    account_id, feed, first, last = place
    return ExportRequest(
        id=f"unclear-{uuid.uuid4()}",
        account_id=account_id,
        custom_feed_id=feed,
        start_date=first,
        end_date=last,
        status=Status.UNCLEAR,
        created_at=None,
        submitted_at=sent,
        finished_at=sent,
        attempts=attempts,
        error="no answer was recorded; it may have been taken",
    )


def check(document: Any) -> None:
    """Raises AnswerError where an answer is not about an export request."""
    try:
        if document["data"]["id"] and document["data"]["attributes"]["status"]:
            return
    except (KeyError, TypeError):
        pass
    raise AnswerError("the answer is no export request")


def _instant(text: object) -> datetime | None:
    """When the vendor took a request: nothing depends on it, so that it may be missing or unreadable."""
    try:
        return parse_instant(str(text)) if text else None
    except ValueError:
        return None
