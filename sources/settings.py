"""What every vendor can be set to, read through dlt's configuration (`.dlt/*.toml` or environment variables).

dlt resolves the fields; what they mean is checked here, so that a wrong one is named before anything is tried.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeVar, cast

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from .clock import Clock
from .errors import SettingError
from .pii import Pii, Policy
from .shared_budget import SharedDatabase
from .streams import Asked, Stream
from .urls import check_url
from .windows import parse_day

C = TypeVar("C", bound="VendorSettings")
T = TypeVar("T")
_KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


@configspec
class VendorSettings(BaseConfiguration):
    """Settings that all vendors share. A vendor's own ones, and its secret, stand in its package."""

    base_url: str = ""
    start_date: Any | None = None
    lookback_days: int = 3
    account_ids: Any | None = None
    request_timeout: float = 60.0
    pii: str = "keep"
    pii_key: TSecretStrValue | None = None
    shared_budget: TSecretStrValue | None = None


@dataclass(frozen=True)
class Scope:
    """The checked form of the settings that say what to load; `asked` has the configured accounts filled in."""

    start: date | None
    lookback: int
    asked: Asked
    pii: Pii


def resolve(spec: type[C], vendor: str) -> C:
    """The settings of `sources.<vendor>`; raises SettingError naming what is missing or of the wrong type."""
    try:
        return resolve_configuration(spec(), sections=("sources", vendor))
    except ConfigValueCannotBeCoercedException as error:
        setting, kind = f"sources.{vendor}.{error.field_name}", _KINDS.get(error.hint)
        if kind is None:
            # it may be a secret, and is not shown
            raise SettingError(f"{setting} is no text", remedy="give it in quotes") from None
        raise SettingError(
            f"{setting} is {error.field_value!r}, which has the wrong type", remedy=f"give it as {kind}"
        ) from None


def scope(settings: VendorSettings, vendor: str, asked: Asked) -> Scope:
    """Check the shared settings; raises SettingError."""
    prefix = f"sources.{vendor}"
    check_url(f"{prefix}.base_url", settings.base_url)
    start = _checked(f"{prefix}.start_date", settings.start_date, parse_day, "give it as YYYY-MM-DD")
    if settings.lookback_days < 0:
        raise SettingError(f"{prefix}.lookback_days is {settings.lookback_days}", remedy="give 0 or more days")
    positive(f"{prefix}.request_timeout", settings.request_timeout)
    ids = frozenset(listed(settings.account_ids) or ()) or None
    asked = replace(asked, accounts=asked.accounts or ids)
    return Scope(start, settings.lookback_days, asked, _pii(prefix, settings))


def shared(settings: VendorSettings, vendor: str, secret: str, clock: Clock) -> SharedDatabase | None:
    """Where the secret's budgets are kept together with other machines; None where they are this process's own."""
    dsn = settings.shared_budget
    return SharedDatabase(dsn, vendor=vendor, secret=secret, clock=clock) if dsn else None


def turned_on(settings: VendorSettings, vendor: str, streams: Sequence[Stream], asked: Asked) -> list[Stream]:
    """The streams that are on; raises SettingError where one is asked for that is not."""
    on = [stream for stream in streams if not stream.optional or getattr(settings, stream.optional)]
    for stream in streams:
        if stream not in on and stream.name in (asked.streams or ()):
            raise SettingError(f"{stream.name} is off", remedy=f"set sources.{vendor}.{stream.optional} to turn it on")
    return on


def _pii(prefix: str, settings: VendorSettings) -> Pii:
    if settings.pii not in ("keep", "hash", "drop"):
        raise SettingError(f"{prefix}.pii is {settings.pii!r}", remedy="choose keep, hash or drop")
    if settings.pii == "hash" and not settings.pii_key:
        raise SettingError(
            f"{prefix}.pii is hash, and {prefix}.pii_key is not set", remedy="set it to a long random text"
        )
    return Pii(cast(Policy, settings.pii), settings.pii_key or "")


def listed(value: object) -> tuple[str, ...] | None:
    """Ids from a list, a JSON list, a comma-separated text or a single id; None where nothing is set."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return tuple(str(each) for each in value)
    parts = (part.strip(" \"'") for part in str(value).strip().strip("[]").split(","))
    return tuple(part for part in parts if part)


def span(setting: str, text: str) -> timedelta:
    """`90`, `90s`, `15m`, `2h`, `30d` as a span of time. Raises SettingError."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        found = timedelta(seconds=float(number) * unit)
    except (ValueError, OverflowError):
        found = timedelta(-1)
    if found < timedelta(0):
        raise SettingError(f"{setting} is {text!r}", remedy="give seconds, or a number with s, m, h or d")
    return found


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
