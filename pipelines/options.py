"""What the command line takes, checked and turned into the values that the commands work with."""

import re
from datetime import date

from sources.errors import SettingError
from sources.streams import Asked
from sources.windows import ONE_DAY, Days, parse_day


def asked(
    first: str | None, last: str | None, streams: list[str] | None, accounts: list[str] | None, today: date
) -> Asked:
    """What `--from`, `--to`, `--stream` and `--account` ask for. Raises SettingError."""
    return Asked(
        days=days(first, last, today),
        streams=frozenset(streams) if streams else None,
        accounts=frozenset(accounts) if accounts else None,
    )


def days(first: str | None, last: str | None, today: date) -> Days | None:
    """`--from` and `--to` as a window: `--from` alone reaches to today. Raises SettingError."""
    if first is None and last is None:
        return None
    if first is None:
        raise SettingError("--to is given without --from", remedy="give the first day with --from YYYY-MM-DD")
    start = day("--from", first)
    end = day("--to", last) if last is not None else today
    if start > today + ONE_DAY:
        # where it is tomorrow already, that day has begun
        raise SettingError(f"--from {start} lies in the future", remedy="give a day that has begun")
    if end < start:
        raise SettingError(f"--from {start} lies after --to {end}", remedy="give the earlier day first")
    return Days(start, end)


def month(text: str) -> str:
    """`--month` as it is, or empty. Raises SettingError."""
    if re.fullmatch(r"|2\d{3}-(0[1-9]|1[0-2])", text):
        return text
    raise SettingError(f"--month is {text!r}, which is no month", remedy="give it as YYYY-MM")


def day(option: str, text: str) -> date:
    """A day that an option gives. Raises SettingError."""
    try:
        return parse_day(text)
    except ValueError:
        raise SettingError(f"{option} is {text!r}, which is no day", remedy="give it as YYYY-MM-DD") from None
