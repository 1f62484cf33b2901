"""What every vendor can be set to, read through dlt's configuration (`.dlt/*.toml` or environment variables).

dlt resolves the fields; what they mean is checked here, so that a wrong one is named before anything is tried.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeVar

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.specs import BaseConfiguration

from .errors import SettingError
from .session import check_url
from .streams import Asked
from .windows import parse_day

C = TypeVar("C", bound="VendorSettings")
T = TypeVar("T")


@configspec
class VendorSettings(BaseConfiguration):
    """Settings that all vendors share. A vendor's own ones, and its secret, stand in its package."""

    base_url: str = ""
    start_date: Any | None = None
    lookback_days: int = 3
    account_ids: Any | None = None
    request_timeout: float = 60.0


@dataclass(frozen=True)
class Scope:
    """The checked form of the settings that say what to load; `asked` has the configured accounts filled in."""

    start: date | None
    lookback: int
    asked: Asked


def resolve(spec: type[C], vendor: str) -> C:
    """The settings of `sources.<vendor>`; raises SettingError naming what is missing or of the wrong type."""
    try:
        return resolve_configuration(spec(), sections=("sources", vendor))
    except ConfigurationException as error:
        raise SettingError(f"a setting of sources.{vendor} cannot be read: {str(error).splitlines()[0]}") from None


def scope(settings: VendorSettings, vendor: str, asked: Asked) -> Scope:
    """Check the shared settings; raises SettingError."""
    prefix = f"sources.{vendor}"
    check_url(f"{prefix}.base_url", settings.base_url)
    start = _checked(f"{prefix}.start_date", settings.start_date, parse_day, "give it as YYYY-MM-DD")
    if settings.lookback_days < 0:
        raise SettingError(f"{prefix}.lookback_days is {settings.lookback_days}", remedy="give 0 or more days")
    positive(f"{prefix}.request_timeout", settings.request_timeout)
    ids = frozenset(listed(settings.account_ids) or ()) or None
    return Scope(start, settings.lookback_days, replace(asked, accounts=asked.accounts or ids))


def listed(value: object) -> tuple[str, ...] | None:
    """Ids from a list, a JSON list, a comma-separated text or a single id; None where nothing is set."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return tuple(str(each) for each in value)
    parts = (part.strip(" \"'") for part in str(value).strip().strip("[]").split(","))
    return tuple(part for part in parts if part)


def span(setting: str, text: str) -> timedelta:
    """`90`, `90s`, `15m`, `2h` as a span of time. Raises SettingError."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        return timedelta(seconds=abs(float(number)) * unit)
    except (ValueError, OverflowError):
        raise SettingError(f"{setting} is {text!r}", remedy="give seconds, or a number with s, m or h") from None


def positive(setting: str, value: float) -> float:
    """The value; raises SettingError unless it is above zero."""
    if value <= 0:
        raise SettingError(f"{setting} is {value}", remedy="give a number above 0")
    return value


def _checked(setting: str, value: object, read: Callable[[object], T], remedy: str) -> T | None:
    if value is None or value == "":
        return None
    try:
        return read(value)
    except ValueError:
        raise SettingError(f"{setting} is {value!r}", remedy=remedy) from None
