"""One message to Slack where a sync has not loaded all that it should have.

The address that it is posted to is a secret: whoever has it can post. It is in no message and no log line.
"""

import html
import logging
import textwrap
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import requests
from dlt.common.runtime.slack import send_slack_message

from sources.errors import SettingError

from .destination import configured
from .printing import sentence
from .sync import Summary, VendorResult

if TYPE_CHECKING:
    from .transform import Transformed

log = logging.getLogger(__name__)

SETTING = "runtime.slack_incoming_hook"
# seconds; dlt's own request waits for ever
PATIENCE = 10.0
MOST_LINES, LONGEST_LINE = 20, 400


class Alert:
    """Around a sync: posts what it could not load, or what kept it from being tried. Without a `url`, it is silent.

    The URL may be dlt's own setting, too. Raises SettingError where it is none. Somebody's Ctrl-C is no failure.
    """

    def __init__(self, url: str | None) -> None:
        self._url = str(url or configured(SETTING) or "")
        if self._url and not _is_url(self._url):
            # it is not shown: a part of it may be right
            raise SettingError(
                f"--alert-slack (or {SETTING}) is no URL", remedy="give it as https://hooks.slack.com/services/…"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._post("leadhouse sync did not start, or broke off", [sentence(error)])

    def tell(self, summary: Summary, built: "Transformed | None", exit_code: int) -> None:
        """Post what is not loaded, and which models or tests of theirs failed."""
        if not exit_code:
            return
        lines = [line for vendor in summary.vendors for line in _failures(vendor)]
        lines += built.every_error if built else []
        self._post(f"leadhouse sync into {summary.destination} ended with exit code {exit_code}", lines)

    def _post(self, heading: str, lines: list[str]) -> None:
        if not self._url:
            return
        shown = [f"• {textwrap.shorten(line, LONGEST_LINE, placeholder=' …')}" for line in lines[:MOST_LINES]]
        more = [f"… and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
        # Slack's own markup is made of these three characters
        text = html.escape("\n".join([heading, *shown, *more]), quote=False)
        if reason := _send(self._url, text):
            log.warning("the Slack message could not be delivered: %s; check --alert-slack or %s", reason, SETTING)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _failures(vendor: VendorResult) -> Iterator[str]:
    if vendor.error:
        yield vendor.error
    for stream in vendor.streams:
        if stream.status in ("ok", "skipped"):
            continue
        account = f"account {stream.account_id}" if stream.account_id else ""
        days = f"{stream.window_start} … {stream.window_end}" if stream.window_start else ""
        place = ", ".join(filter(None, (vendor.vendor, account, stream.stream)))
        reason = (stream.error or "no reason given").removeprefix(f"{place}, ")
        yield f"{', '.join(filter(None, (place, days)))}: {stream.status}: {reason}"


def _send(url: str, text: str) -> str:
    """Post a message; returns why that failed, without the URL, or nothing. Waits no longer than PATIENCE."""
    reasons = [f"no answer within {PATIENCE:g} s"]

    def send() -> None:
        try:
            send_slack_message(url, text, is_markdown=False)
            reasons[0] = ""
        except requests.HTTPError as error:
            reasons[0] = f"it answered {error.response.status_code}"
        except Exception as error:  # noqa: BLE001 — its own words hold the URL
            reasons[0] = type(error).__name__

    # nobody waits for this thread at the end of the process
    thread = threading.Thread(target=send, name="slack", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return reasons[0]
