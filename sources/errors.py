"""What can go wrong while a vendor is read.

    SourceError
    ├── TerminalError        trying again does not help
    │   ├── SettingError     a setting is missing or wrong; nothing was tried
    │   ├── AccessError      the vendor refuses the key, or this key the resource (401, 403, 404)
    │   ├── NotEntitledError the account has not bought it (402): skipped, not failed
    │   ├── RequestError     the vendor does not understand the request (400, 416, …)
    │   ├── QuotaError       a quota is used up: nothing more of this vendor is tried
    │   └── CeilingError     the vendor would cut these days off
    └── TransientError       a limit or an outage outlasted our patience
        ├── LimitError       the vendor's limit lasts longer than the run may wait
        └── AnswerError      the answer is not what the vendor documents
            └── MovedError   rows moved, or pages repeated, while they were read
                └── CountError   the vendor counts another number of rows than it shows

A message says what happened and what to do; `locate` adds to whom and to which days.
"""

from datetime import date
from typing import Self


class SourceError(Exception):
    """Base of all errors raised by `sources`."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.place: tuple[str, ...] = ()

    def locate(self, *place: str | None) -> Self:
        """Name vendor, account, stream and days, once, from the outside in."""
        if not self.place:
            self.place = tuple(part for part in place if part)
        return self

    def __str__(self) -> str:
        text = f"{', '.join(self.place)}: {self.message}" if self.place else self.message
        return f"{text}; {self.remedy}" if self.remedy else text


class TerminalError(SourceError):
    """Trying again does not help."""


class SettingError(TerminalError):
    """A setting is missing or wrong. Names the setting and the remedy."""


class AccessError(TerminalError):
    """The vendor refuses the key, or this key the resource (401, 403, 404)."""

    def __init__(self, message: str, *, status: int, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class NotEntitledError(TerminalError):
    """What was asked for is not part of what the account has bought."""


class RequestError(TerminalError):
    """The vendor does not accept the request (400, 416 and other 4xx)."""

    def __init__(self, message: str, *, status: int, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class QuotaError(TerminalError):
    """A quota of the vendor's, or a budget that was set, is used up or gone: nothing more of this vendor is tried."""


class CeilingError(TerminalError):
    """The vendor would cut these days off. `pages` is how many there are, `day` the one that cannot be cut further."""

    def __init__(self, message: str, *, pages: int, day: date | None = None) -> None:
        super().__init__(message)
        self.pages = pages
        self.day = day


class TransientError(SourceError):
    """A limit or an outage outlasted our patience."""

    def __init__(self, message: str, *, remedy: str | None = "run again later") -> None:
        super().__init__(message, remedy=remedy)


class LimitError(TransientError):
    """The vendor's limit lasts longer than the run may wait."""


class AnswerError(TransientError):
    """The answer is not what the vendor documents."""


class MovedError(AnswerError):
    """Rows moved, or pages repeated, while they were read: reading them again may help."""


class CountError(MovedError):
    """The vendor counts another number of rows than it shows."""
