"""Which URLs may be asked."""

import ipaddress
import socket
from urllib.parse import urlsplit

from .errors import SettingError, TerminalError


def check_url(setting: str, url: str) -> str:
    """The URL itself; raises SettingError unless it is http(s) with a host."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise SettingError(f"{setting} is {url!r}, which is no URL", remedy="give it as https://host[/path]")
    return url


def check_target(url: str, base_url: str) -> None:
    """Raise TerminalError for a download that is not http(s), or that is in a private network where the API is not."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TerminalError(f"the download URL begins with {parts.scheme or 'nothing'}:, which is not http(s)")
    if _is_private(parts.hostname) and not _is_private(urlsplit(base_url).hostname or ""):
        raise TerminalError(f"the download URL points at {parts.hostname}, inside a private network")


def _is_private(host: str) -> bool:
    """Whether a host, by name or address, is this machine or in a private network."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(not ipaddress.ip_address(address.partition("%")[0]).is_global for address in found)
