"""What is remembered of dlt's answers is what dlt would answer."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import pytest
from dlt.common.configuration import configspec
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import environ
from dlt.common.configuration.resolve import inject_section, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, ContainerInjectableContext
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.schema import utils
from dlt.common.typing import TSecretStrValue
from hypothesis import given
from hypothesis import strategies as st

from pipelines.remembered import settings_stay
from pipelines.sync import sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox
from tests.conftest import FakeClock, on_duckdb


@configspec
class Settings(BaseConfiguration):
    size: int = 3


@configspec
class Given(ContainerInjectableContext):
    can_create_default: ClassVar[bool] = False


@configspec
class InContext(BaseConfiguration):
    given: Given | None = None


@configspec
class Plain(BaseConfiguration):
    size: str | None = None


@configspec
class Secret(BaseConfiguration):
    size: TSecretStrValue | None = None


def size() -> int:
    found: int = resolve_configuration(Settings(), sections=("a", "b")).size
    return found


def test_what_is_not_set_stays_so_for_as_long_as_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with settings_stay():
        assert size() == 3
        monkeypatch.setenv("A__B__SIZE", "5")
        assert size() == 3
    assert size() == 5


@on_duckdb
def test_a_sync_is_such_a_run(
    warehouse: Warehouse, serve: Callable[..., Sandbox], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    seen: list[int] = []

    def watch(*_: object) -> None:
        seen.append(size())
        monkeypatch.setenv("A__B__SIZE", "5")
        seen.append(size())

    assert sync(warehouse, vendors=["leedo"], clock=clock, watch=watch).exit_code == 0
    assert seen == [3, 3]
    assert size() == 5


def test_outside_of_a_run_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert size() == 3
    monkeypatch.setenv("A__B__SIZE", "5")
    assert size() == 5


def test_what_a_context_gives_is_no_setting() -> None:
    known = Given()
    with settings_stay():
        assert resolve_configuration(InContext()).given is None
        with Container().injectable_context(known):
            assert resolve_configuration(InContext()).given is known
        assert resolve_configuration(InContext()).given is None


def test_a_secret_is_looked_for_where_secrets_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environ, "SECRET_STORAGE_PATH", f"{tmp_path}/%s")
    (tmp_path / "hidden--size").write_text("word")
    # dlt puts what it finds there into the environment: out with it at the end
    monkeypatch.setenv("HIDDEN__SIZE", "")
    monkeypatch.delenv("HIDDEN__SIZE")
    with settings_stay():
        assert resolve_configuration(Plain(), sections=("hidden",)).size is None
        assert resolve_configuration(Secret(), sections=("hidden",)).size == "word"


def test_what_is_set_is_read_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A__SIZE", "5")
    monkeypatch.setenv("HERE__SIZE", "7")
    with settings_stay():
        assert resolve_configuration(Settings(), sections=("c",)).size == 3
        assert size() == size() == 5
        assert resolve_configuration(Settings()).size == 3
        with inject_section(ConfigSectionContext(sections=("here",))):
            assert resolve_configuration(Settings()).size == 7
        with inject_section(ConfigSectionContext(pipeline_name="here")):
            assert resolve_configuration(Settings()).size == 7


LEAVES = st.text() | st.integers() | st.booleans() | st.none() | st.tuples(st.lists(st.text()))


@given(st.recursive(LEAVES, lambda part: st.lists(part) | st.dictionaries(st.text(), part)))
def test_a_copy_is_deep(schema: Any) -> None:
    before = deepcopy(schema)
    copied = utils.deepcopy(schema)  # type: ignore[attr-defined]
    assert copied == schema
    _spoil(copied)
    assert schema == before


def _spoil(value: Any) -> None:
    """Change everything in it that can be changed."""
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _spoil(each)
    if isinstance(value, list):
        value.append("spoilt")
    if isinstance(value, dict):
        value["spoilt"] = True
