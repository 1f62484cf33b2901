"""How old the newest good run of a stream may be: the section `freshness`, in which nothing is set by default.

`freshness.default` is every stream's, `freshness.<vendor>.<stream>` one stream's.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta

from sources.errors import SettingError
from sources.settings import span

from .destination import configured
from .vendors import VENDORS

SECTION, DEFAULT = "freshness", "default"


def max_ages() -> dict[tuple[str, str], timedelta]:
    """The age that a stream may reach, by vendor and stream; those without one are left out. Raises SettingError."""
    streams = {vendor.name: [stream.name for stream in vendor.package.STREAMS] for vendor in VENDORS.values()}
    for name in _given():
        setting, vendor = ".".join((SECTION, *name)), name[0]
        if name != (DEFAULT,) and vendor not in streams:
            raise SettingError(f"{setting} names no vendor", remedy=f"choose among {', '.join((DEFAULT, *streams))}")
        if vendor in streams and name[1:] not in [(stream,) for stream in streams[vendor]]:
            raise SettingError(
                f"{setting} names no stream of {vendor}", remedy=f"choose among {', '.join(streams[vendor])}"
            )
    usual = _age(DEFAULT)
    own = {(vendor, stream): _age(vendor, stream) for vendor in streams for stream in streams[vendor]}
    ages = {place: usual if age is None else age for place, age in own.items()}
    return {place: age for place, age in ages.items() if age is not None}


def words(span: timedelta) -> str:
    """A span of time in the largest unit of which it has two: 90 s, 36.5 h, 3 d."""
    seconds = span.total_seconds()
    size, unit = next(
        (each for each in ((86_400, "d"), (3600, "h"), (60, "min")) if seconds >= 2 * each[0]),
        (1, "s"),
    )
    return f"{round(seconds / size, 1):g} {unit}"


def _given() -> Iterator[tuple[str, ...]]:
    """The names of what is set in a file or the environment, without the section's."""
    section = configured(SECTION) or {}
    if not isinstance(section, Mapping):
        raise SettingError(f"{SECTION} is {section!r}, which is no section", remedy=f"set {SECTION}.{DEFAULT}")
    for name, value in section.items():
        yield from ((name, inner) for inner in value) if isinstance(value, Mapping) else [(name,)]
    prefix = f"{SECTION.upper()}__"
    yield from (tuple(name[len(prefix) :].lower().split("__")) for name in os.environ if name.startswith(prefix))


def _age(*name: str) -> timedelta | None:
    setting = ".".join((SECTION, *name))
    value = configured(setting)
    return None if value is None else span(setting, str(value))
