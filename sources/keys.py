"""A vendor's key: how it is sent, and how it is kept out of everything that is told or loaded."""

from collections.abc import Iterable
from typing import Any

import requests
from requests.auth import AuthBase

from .errors import SettingError

# a shorter one is a trial's, and may well be a word of what the vendor tells
SHORTEST_KEY = 10


class HeaderAuth(AuthBase):
    """A secret in one header. It is set as `auth`, because headers are printed at debug level and `auth` is not."""

    def __init__(self, header: str, value: str, *, setting: str = "the key") -> None:
        if not (value.isascii() and value.isprintable()):
            # the library would refuse it too, and print it
            raise SettingError(
                f"{setting} has a character in it that cannot be sent",
                remedy="copy it again, without line breaks or typographic quotes",
            )
        self._header, self._value = header, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In place of the session's key, and of whatever a .netrc file would add."""
    return request


class Secrets:
    """What nobody but the vendor may learn."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)
        keys = [secret for secret in self._secrets if len(secret) >= SHORTEST_KEY]
        # some escape a slash
        self._forms = {form.encode() for key in keys for form in (key, key.replace("/", r"\/"))}

    def redact(self, text: str) -> str:
        """The text without any of them."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def are_in(self, content: bytes) -> bool:
        """Whether a vendor says one of them back; what a trial has for a key is no secret of anybody's."""
        return any(form in content for form in self._forms)

    def taken_out(self, value: Any) -> Any:
        """A JSON document without any of them."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(name): self.taken_out(inner) for name, inner in value.items()}
        return [self.taken_out(inner) for inner in value] if isinstance(value, list) else value
