"""The first day: keys are asked for and tried, accounts and a first day chosen, and all of it is written down."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import tomlkit
from tomlkit.exceptions import TOMLKitError

from sources.clock import Clock
from sources.errors import SettingError, SourceError
from sources.first_load import FirstLoad
from sources.ledger import MemoryLedger
from sources.settings import listed
from sources.streams import Asked
from sources.windows import Days, parse_day

from .destination import configured
from .sync import pick
from .vendors import VENDORS, Vendor
from .warehouse import Warehouse

SECRETS = Path(".dlt/secrets.toml")
DSN = "destination.postgres.credentials"
# days before today that are offered as the first one
OFFERED = (7, 30, 90, 365)


class Terminal(Protocol):
    """Who is asked, and told. `ask` returns "" where somebody just presses Enter."""

    def ask(self, question: str, *, secret: bool = False) -> str: ...

    def say(self, text: str) -> None: ...


@dataclass(frozen=True)
class Given:
    """What the command line says already; with `unattended`, nothing else is asked."""

    keys: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    start: date | None = None
    destination: str = "duckdb"
    postgres_dsn: str | None = None
    unattended: bool = False


@dataclass
class _Tried:
    """A vendor whose key works: its settings, the accounts that the key sees, and what a first load will take."""

    vendor: Vendor
    settings: Any
    accounts: list[str]
    cost: FirstLoad | None

    @property
    def by_day(self) -> bool:
        return any(stream.by in ("day", "days", "window", "report") for stream in self.vendor.package.STREAMS)


def pairs(option: str, texts: Sequence[str]) -> dict[str, list[str]]:
    """`VENDOR=VALUE`, repeated, as the values of each vendor. Raises SettingError."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            # the value may be a key
            raise SettingError(f"{option} takes VENDOR=VALUE", remedy=f"choose VENDOR among {', '.join(VENDORS)}")
        pick([name])
        found.setdefault(name, []).append(value)
    return found


def init(given: Given, terminal: Terminal, clock: Clock) -> str:
    """Ask, try and write; returns the command to type next.

    Raises SourceError where an unattended key does not work, SettingError where something is set already or nothing
    is given. Then nothing is written.
    """
    new: dict[str, object] = {}
    tried = [found for vendor in VENDORS.values() if (found := _key(vendor, given, terminal, clock, new))]
    if not tried:
        raise SettingError("no key was given, nothing is written", remedy="run init again once you have one")
    for found in tried:
        _accounts(found, given, terminal, clock, new)
    _start(tried, given, terminal, clock, new)
    _destination(given, terminal, clock, new)
    if new:
        write(new)
        terminal.say(f"Written to {SECRETS}, which only you can read: {', '.join(new)}")
    return "leadhouse sync" + (f" --destination {given.destination}" if given.destination != "duckdb" else "")


def write(new: Mapping[str, object]) -> None:
    """Add settings to `.dlt/secrets.toml`, whole or not at all; what stands there stays as it is."""
    path = SECRETS.resolve()
    document = _read(path)
    for setting, value in new.items():
        *sections, name = setting.split(".")
        table: Any = document
        for section in sections:
            table = table.setdefault(section, tomlkit.table())
        table[name] = value
    path.parent.mkdir(exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secrets.")  # readable by its owner only
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(tomlkit.dumps(document))
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _read(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    except TOMLKitError as error:
        raise SettingError(f"{SECRETS} cannot be read: {error}", remedy="fix it, or move it elsewhere") from None


def _key(vendor: Vendor, given: Given, terminal: Terminal, clock: Clock, new: dict[str, object]) -> _Tried | None:
    """The vendor with a key that works; None where somebody has none."""
    settings = vendor.package.settings()
    key = given.keys.get(vendor.name)
    kept = getattr(settings, vendor.secret)
    if kept and key and key != kept:
        raise SettingError(f"{vendor.secret_setting} is set already", remedy="change it there")
    while True:
        if not kept and not key:
            key = "" if given.unattended else terminal.ask(f"{vendor.name}: {vendor.secret}", secret=True).strip()
            if not key:
                return None
        setattr(settings, vendor.secret, kept or key)
        try:
            found = _try(vendor, settings, None, clock)
        except SourceError as error:
            error.locate(vendor.name)
            # what is set already is not asked for here
            if given.unattended or kept:
                raise
            terminal.say(f"{error}")
            key = None
            continue
        terminal.say(
            f"{vendor.name}: the key works" + (f"; accounts: {', '.join(found.accounts)}" * bool(found.accounts))
        )
        if not kept:
            new[vendor.secret_setting] = key
        return found


def _try(vendor: Vendor, settings: Any, accounts: Sequence[str] | None, clock: Clock) -> _Tried:
    run = vendor.package.open_run(
        settings,
        clock=clock,
        ledger=MemoryLedger(),
        asked=Asked(accounts=frozenset(accounts) if accounts else None),
        max_wait=vendor.patience,
        wait=False,
    )
    try:
        seen = [account.id for account in run.accounts]
        try:
            cost = vendor.package.first_load(settings, run)
        except SourceError:
            # the key works all the same; a sync says what is wrong, and with which stream
            cost = None
    finally:
        run.close()
    return _Tried(vendor, settings, seen, cost)


def _accounts(found: _Tried, given: Given, terminal: Terminal, clock: Clock, new: dict[str, object]) -> None:
    vendor = found.vendor
    setting = f"sources.{vendor.name}.account_ids"
    chosen: Sequence[str] = given.accounts.get(vendor.name, ())
    if found.settings.account_ids is not None:
        if chosen and set(chosen) != set(listed(found.settings.account_ids) or ()):
            raise SettingError(f"{setting} is set already", remedy="change it there")
        return
    asks = not given.unattended and not chosen and len(found.accounts) > 1
    while True:
        if asks:
            chosen = (
                listed(terminal.ask(f"{vendor.name}: accounts to load, e.g. {found.accounts[0]} (Enter: all)")) or ()
            )
        if not chosen:
            return
        try:
            again = _try(vendor, found.settings, chosen, clock)
        except SourceError as error:
            if not asks:
                raise error.locate(vendor.name) from None
            terminal.say(f"{error}")
            continue
        new[setting] = list(chosen)
        found.accounts, found.cost = again.accounts, again.cost
        return


def _start(tried: list[_Tried], given: Given, terminal: Terminal, clock: Clock, new: dict[str, object]) -> None:
    """Choose the first day, and say what loading from it takes."""
    today = clock.now().date()
    usual = today - timedelta(days=30)
    dated = [found for found in tried if found.by_day and not found.settings.start_date]
    start = given.start
    if start is not None and start > today:
        raise SettingError(f"--start-date {start} lies after today", remedy="give a day that has been")
    if start is not None and (kept := [found for found in tried if found.by_day and found not in dated]):
        raise SettingError(f"sources.{kept[0].vendor.name}.start_date is set already", remedy="change it there")
    if dated and start is None and not given.unattended:
        for days in OFFERED:
            _estimate(dated, today - timedelta(days=days), today, terminal)
        while start is None:
            try:
                start = parse_day(terminal.ask(f"First day to load (Enter: {usual})") or usual)
            except ValueError as error:
                terminal.say(f"{error}; give it as YYYY-MM-DD")
    for found in dated if start not in (None, usual) else ():
        new[f"sources.{found.vendor.name}.start_date"] = f"{start}"
    terminal.say("The first load will take, at the vendors' limits, about:")
    for found in tried:
        first = parse_day(found.settings.start_date) if found.settings.start_date else start or usual
        _estimate([found], first, today, terminal, counted=True)


def _estimate(tried: list[_Tried], first: date, today: date, terminal: Terminal, *, counted: bool = False) -> None:
    days = Days(min(first, today), today)
    for found in tried:
        since = f" since {first}" if found.by_day else ""
        if found.cost is None:
            terminal.say(f"  {found.vendor.name}{since}: nobody knows; not all could be counted")
            continue
        least = "at least " if found.cost.load.capped else ""
        minutes = max(round(found.cost.seconds(days) / 60), 1)
        how = f" (counted: {found.cost.counted})" if counted else ""
        terminal.say(
            f"  {found.vendor.name}{since}: {least}{found.cost.requests(days):,} request(s), {minutes:,} min{how}"
        )


def _destination(given: Given, terminal: Terminal, clock: Clock, new: dict[str, object]) -> None:
    """Try the destination; PostgreSQL's address is asked for where it is not set."""
    kept = configured(DSN)
    dsn = given.postgres_dsn
    if dsn and kept and dsn != kept:
        raise SettingError(f"{DSN} is set already", remedy="change it there")
    while True:
        asks = given.destination == "postgres" and not kept and not dsn and not given.unattended
        if asks:
            dsn = terminal.ask("PostgreSQL, as postgresql://user:password@host:5432/database", secret=True).strip()
        try:
            with _dsn(None if kept else dsn):
                Warehouse(given.destination, clock=clock, max_wait=Vendor.patience).prepare()
        except SourceError as error:
            if not asks:
                raise
            terminal.say(f"{error}")
            dsn = None
            continue
        if dsn and not kept:
            new[DSN] = dsn
        return


@contextmanager
def _dsn(dsn: str | None) -> Iterator[None]:
    """An address that is tried before it is written down."""
    variable = DSN.replace(".", "__").upper()
    # nothing is taken away: it is tried only where none is set
    os.environ |= {variable: dsn} if dsn else {}
    try:
        yield
    finally:
        if dsn:
            del os.environ[variable]
