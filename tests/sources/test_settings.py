"""Settings come from dlt's configuration; a wrong one is named before anything is tried."""

from datetime import date, timedelta
from typing import Any

import pytest
from dlt.common.configuration import configspec

from sources.errors import SettingError
from sources.pii import KEEP
from sources.settings import Scope, VendorSettings, positive, resolve, scope, span
from sources.streams import Asked
from sources.windows import Days


@configspec
class Settings(VendorSettings):
    base_url: str = "https://api.example.com"
    requests_per_minute: int = 100


def checked(asked: Asked = Asked(), **values: Any) -> Scope:
    settings = Settings()
    for name, value in values.items():
        setattr(settings, name, value)
    return scope(settings, "acme", asked)


def configured(monkeypatch: pytest.MonkeyPatch, **values: str) -> Scope:
    for name, value in values.items():
        monkeypatch.setenv(f"SOURCES__ACME__{name.upper()}", value)
    return scope(resolve(Settings, "acme"), "acme", Asked())


def test_defaults() -> None:
    assert scope(resolve(Settings, "acme"), "acme", Asked()) == Scope(None, 3, Asked(), KEEP)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "api.example.com"),
        ("base_url", ""),
        ("base_url", "ftp://api.example.com"),
        ("start_date", "01.02.2026"),
        ("start_date", "2026-02-30"),
        ("lookback_days", -1),
        ("request_timeout", 0),
        ("request_timeout", -5.0),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"^sources\.acme\.{name} is ") as raised:
        checked(**{name: value})
    assert raised.value.remedy


@pytest.mark.parametrize("name", ["lookback_days", "requests_per_minute", "request_timeout"])
def test_one_of_the_wrong_type_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=rf"sources\.acme.*{name}"):
        configured(monkeypatch, **{name: "plenty"})


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (["1", "2"], {"1", "2"}),
        ([1, 2], {"1", "2"}),
        (("1",), {"1"}),
        (17, {"17"}),
        ("17", {"17"}),
        ("1,2", {"1", "2"}),
        (" 1 , 2 ,", {"1", "2"}),
        ('["1", "2"]', {"1", "2"}),
        ("[1, 2]", {"1", "2"}),
        (None, None),
        ("", None),
        ([], None),
    ],
)
def test_account_ids(value: object, ids: set[str] | None) -> None:
    assert checked(account_ids=value).asked.accounts == (frozenset(ids) if ids else None)


@pytest.mark.parametrize(("text", "ids"), [("17", {"17"}), ("1,2", {"1", "2"}), ('["1", "2"]', {"1", "2"})])
def test_account_ids_from_the_environment(text: str, ids: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured(monkeypatch, account_ids=text).asked.accounts == frozenset(ids)


def test_accounts_asked_for_go_before_those_configured() -> None:
    days = Days(date(2026, 3, 1), date(2026, 3, 2))
    asked = Asked(days, frozenset({"visits"}), frozenset({"9"}))
    assert checked(asked, account_ids=[1, 2]).asked == asked
    assert checked(Asked(days, frozenset({"visits"})), account_ids=[1]).asked == Asked(
        days, frozenset({"visits"}), frozenset({"1"})
    )


@pytest.mark.parametrize("value", ["2026-02-01", date(2026, 2, 1)])
def test_start_date(value: object) -> None:
    assert checked(start_date=value).start == date(2026, 2, 1)
    assert checked(start_date="").start is None


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = configured(monkeypatch, start_date="2026-02-01", lookback_days="0", base_url="http://localhost:1/api")
    assert (found.start, found.lookback) == (date(2026, 2, 1), 0)


def test_positive() -> None:
    assert positive("sources.acme.rate", 0.5) == 0.5
    for value in (0, -1):
        with pytest.raises(SettingError, match=rf"sources\.acme\.rate is {value}; give a number above 0"):
            positive("sources.acme.rate", value)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("30d", 2_592_000)])
def test_span(text: str, seconds: int) -> None:
    assert span("sources.acme.age", text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["2w", "", "-5m", "nan", "1e99d"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(SettingError, match=rf"sources\.acme\.age is '{text}'; give seconds, or a number with s, m, h"):
        span("sources.acme.age", text)
