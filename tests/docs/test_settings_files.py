"""The settings files: every setting is there, with the code's default, so that having them changes nothing."""

import gc
import os
import re
import shutil
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from pipelines import cli
from pipelines.vendors import VENDORS, Vendor
from pipelines.warehouse import Warehouse
from sources.clock import Clock
from sources.settings import scope
from sources.streams import Asked

from .pages import ROOT, defaults, text

CONFIG = ".dlt/config.toml"
SECRETS = ".dlt/secrets.toml.example"


def secrets(vendor: Vendor) -> set[str]:
    return {vendor.secret, "pii_key", "shared_budget"}


def uncommented(page: str) -> str:
    """The file with its commented-out settings in force."""
    return re.sub(r"^# (\w+ = )", r"\1", text(page), flags=re.MULTILINE)


def reread() -> None:
    """dlt reads its files once; a new process would read those of the working directory."""
    Container()[PluggableRunContext].reload_providers()


@pytest.fixture
def settings_folder(house: Path) -> Iterator[Path]:
    """The `.dlt` of the working directory, empty."""
    folder = house / ".dlt"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)
    reread()


@pytest.mark.parametrize("vendor", [*VENDORS.values()], ids=[*VENDORS])
def test_every_setting_is_there_with_its_default(vendor: Vendor) -> None:
    given = tomllib.loads(text(CONFIG))["sources"][vendor.name]
    known = {name: value for name, value in defaults(vendor).items() if name not in secrets(vendor)}
    assert given == {name: value for name, value in known.items() if value is not None}
    assert set(tomllib.loads(uncommented(CONFIG))["sources"][vendor.name]) == set(known)


@pytest.mark.parametrize("vendor", [*VENDORS.values()], ids=[*VENDORS])
def test_every_secret_is_there(vendor: Vendor) -> None:
    assert not tomllib.loads(text(SECRETS))["sources"][vendor.name]
    assert set(tomllib.loads(uncommented(SECRETS))["sources"][vendor.name]) == secrets(vendor)


def test_no_section_is_of_something_else() -> None:
    config, secrets = tomllib.loads(text(CONFIG)), tomllib.loads(text(SECRETS))
    assert set(config) == {"sources", "destination", "freshness", "runtime"}
    assert set(secrets) == {"sources", "destination", "runtime"}
    for file in (config, secrets):
        assert set(file["sources"]) == set(VENDORS)
        assert not any(file["destination"].values())


def test_every_setting_is_explained() -> None:
    for page in (CONFIG, SECRETS):
        for before, line in zip(["", *text(page).splitlines()], text(page).splitlines(), strict=False):
            if re.match(r"(# )?\w+ = ", line):
                assert re.match(r"# [A-Z]", before), line


@pytest.mark.parametrize("vendor", [*VENDORS.values()], ids=[*VENDORS])
def test_the_file_changes_nothing(vendor: Vendor, settings_folder: Path, clock: Clock) -> None:
    def resolved() -> tuple[dict[str, Any], object]:
        reread()
        return dict(vendor.package.settings()), Warehouse("duckdb", clock=clock).place

    without = resolved()
    shutil.copy(ROOT / CONFIG, settings_folder)
    assert resolved() == without
    # the file has been read at all
    (settings_folder / "config.toml").write_text(f"[sources.{vendor.name}]\nlookback_days = 12\n", encoding="utf-8")
    assert resolved()[0] == without[0] | {"lookback_days": 12}


@pytest.mark.parametrize("vendor", [*VENDORS.values()], ids=[*VENDORS])
def test_the_examples_are_read(vendor: Vendor, settings_folder: Path, clock: Clock) -> None:
    (settings_folder / "config.toml").write_text(uncommented(CONFIG), encoding="utf-8")
    (settings_folder / "secrets.toml").write_text(uncommented(SECRETS), encoding="utf-8")
    reread()
    settings = vendor.package.settings()
    assert getattr(settings, vendor.secret)
    found = scope(settings, vendor.name, Asked())
    assert found.start is not None
    assert found.asked.accounts
    assert Warehouse("postgres", clock=clock).place.identity == "postgres host:5432/database"
    assert Warehouse("duckdb", clock=clock).place.path == Path("leadhouse.duckdb").absolute()


def test_the_command_sets_dlt_as_the_file_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given = tomllib.loads(text(CONFIG))["runtime"]
    for name in given:
        monkeypatch.delenv(f"RUNTIME__{name.upper()}", raising=False)
    monkeypatch.setattr(cli, "app", lambda: None)
    before, thresholds = signal.getsignal(signal.SIGTERM), gc.get_threshold()
    try:
        cli.main()
        assert {name: os.environ[f"RUNTIME__{name.upper()}"] for name in given} == {
            name: value if isinstance(value, str) else str(value).lower() for name, value in given.items()
        }
    finally:
        signal.signal(signal.SIGTERM, before)
        gc.set_threshold(*thresholds)
