"""The SQL models: dbt, run in this process, over what the warehouse holds.

The project is in `models/`: staging brings what the vendors' tables have to one shape, marts answer questions. dbt
keeps its notes in leadhouse's working directory; how it reaches the database is told to it in a file that holds no
secret and is gone afterwards.
"""

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sources.errors import SettingError, SourceError

from .warehouse import Warehouse

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

log = logging.getLogger(__name__)

OK, FAILED = 0, 1
# what the models are in
SCHEMAS = ("staging", "marts")
PROJECT = Path(__file__).with_name("models")
# values of variables that are named so are kept out of whatever dbt writes
PASSWORD_VARIABLE = "DBT_ENV_SECRET_LEADHOUSE_PASSWORD"  # noqa: S105 — a name
# megabytes; DuckDB spills to disk beyond them
MEMORY = 1024
GOOD = frozenset({"success", "pass", "warn"})
# what libpq knows and dbt passes on
_CONNECTION: dict[str, type] = {
    **dict.fromkeys(("sslmode", "sslcert", "sslkey", "sslrootcert", "role", "application_name"), str),
    **dict.fromkeys(("connect_timeout", "keepalives_idle"), int),
}


@dataclass(frozen=True)
class ModelResult:
    """What became of a mart: its rows, and its tests; `errors` is what went wrong with it or them."""

    model: str
    status: str
    rows: int | None
    seconds: float
    tests: int
    tests_failed: int
    errors: list[str]


@dataclass
class Transformed:
    """What became of a transform. `errors` are those of no mart."""

    models: list[ModelResult] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def every_error(self) -> list[str]:
        """Those of the marts, too."""
        return [*self.errors, *(error for model in self.models for error in model.errors)]

    @property
    def exit_code(self) -> int:
        return FAILED if self.every_error else OK

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return asdict(self) | {"exit_code": self.exit_code}


def require_models(warehouse: Warehouse) -> None:
    """Raise SettingError for a destination that the models are not written for."""
    if warehouse.engine not in ("duckdb", "postgres"):
        raise SettingError(
            f"the models are not written for {warehouse.name}",
            remedy="choose the destination duckdb, postgres or filesystem",
        )


def transform_after_sync(warehouse: Warehouse) -> Transformed:
    """The same where a sync's summary is still to be told: what would be raised is an error of the result."""
    try:
        return transform(warehouse)
    except SourceError as error:
        return Transformed(errors=[str(error)])


def transform(warehouse: Warehouse, *, full_refresh: bool = False) -> Transformed:
    """Build the models and test them; `full_refresh` rebuilds what is otherwise kept day by day.

    Raises SettingError for a destination that the models are not written for, BusyError where another transform is at
    work, and WarehouseError where there is no connection.
    """
    require_models(warehouse)
    # dbt, in this process, opens the file as well
    with warehouse.vendor_lock("transform"), warehouse.open(shared=True), profiles(warehouse) as folder:
        built = _Dbt(warehouse, folder).build(full_refresh)
        warehouse.publish(*SCHEMAS, tidy=True)
        return built


def options(warehouse: Warehouse, profiles: Path) -> list[str]:
    """What each of dbt's commands is told: where the project and the profile are, and where its notes go."""
    notes = warehouse.place.make_working_dir() / "dbt"
    notes.mkdir(exist_ok=True)
    return [
        *("--project-dir", str(PROJECT), "--profiles-dir", str(profiles)),
        *("--target-path", str(notes / "target"), "--log-path", str(notes / "logs")),
        *("--no-send-anonymous-usage-stats", "--no-version-check", "--no-write-json", "--no-use-colors"),
        # its every step takes a fifth of the time to write down
        *("--log-level-file", "debug" if log.isEnabledFor(logging.DEBUG) else "none"),
    ]


class _Dbt:
    """dbt on one project and one profile."""

    def __init__(self, warehouse: Warehouse, profiles: Path) -> None:
        self._warehouse = warehouse
        self._options = [*options(warehouse, profiles), "--log-level", "none"]

    def build(self, full_refresh: bool) -> Transformed:
        done = Transformed()
        manifest = self._invoke(None, done, "parse")
        if manifest is None:
            return done
        ran = self._invoke(manifest, done, "run", *(["--full-refresh"] if full_refresh else []))
        # models first, so that a test that fails keeps nothing from being built
        tested = self._invoke(manifest, done, "test") if ran else None
        if ran is None or tested is None:
            return done
        outcomes: dict[str, list[Any]] = {}
        for test in tested.results:
            outcomes.setdefault(test.node.attached_node, []).append(test)
        for model in ran.results:
            tests = outcomes.get(model.node.unique_id, [])
            failed = [each for each in (model, *tests) if each.status not in GOOD]
            errors = [f"{each.node.name}: {_sentence(each.message)}" for each in failed]
            for warned in (test for test in tests if test.status == "warn"):
                log.warning("%s: %s", warned.node.name, _sentence(warned.message))
            name = f"{model.node.schema}.{model.node.alias}"
            if model.node.schema != "marts":
                done.errors += errors
                continue
            done.models.append(
                ModelResult(
                    model=name,
                    status=str(model.status),
                    rows=self._rows(name) if model.status in GOOD else None,
                    seconds=round(model.execution_time, 3),
                    tests=len(tests),
                    tests_failed=sum(each in tests for each in failed),
                    errors=errors,
                )
            )
        return done

    def _invoke(self, manifest: "Manifest | None", done: Transformed, *words: str) -> Any:
        """The result of a command of dbt's, or None where it could not begin: that is an error then."""
        from dbt.cli.main import dbtRunner

        # it goes to the project's folder, and does not come back
        with chdir(Path.cwd()):
            ended = dbtRunner(manifest=manifest).invoke([*words, *self._options])
        if ended.result is None:
            done.errors.append(f"dbt {words[0]}: {_sentence(str(ended.exception))}")
        return ended.result

    def _rows(self, table: str) -> int:
        return int(self._warehouse.query(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 — own names


@contextmanager
def profiles(warehouse: Warehouse) -> Iterator[Path]:
    """A folder with a profile for dbt. The password is in the environment as long as the folder is there."""
    credentials = warehouse.destination.config_params["credentials"]
    if warehouse.engine == "duckdb":
        output: dict[str, Any] = {"type": "duckdb", "path": str(warehouse.place.path)}
        # where dbt is run in this process, its connections share one instance, and its memory, with ours
        output |= {"settings": {"TimeZone": "UTC", "memory_limit": f"{MEMORY}MB"}}
        # the file is nobody's as soon as this is done; a process of dbt's own waits an hour for whoever reads it
        output |= {"keep_open": False, "retries": {"connect_attempts": 12}}
        password = ""
    else:
        query: Mapping[str, Any] = credentials.query or {}
        output = {"type": "postgres", "host": credentials.host, "port": credentials.port or 5432}
        output |= {"user": credentials.username, "dbname": credentials.database}
        output |= {"password": f"{{{{ env_var('{PASSWORD_VARIABLE}') }}}}"}
        output |= {name: kind(query[name]) for name, kind in _CONNECTION.items() if name in query}
        password = credentials.password or ""
    profile = {
        "leadhouse": {"target": "warehouse", "outputs": {"warehouse": output | {"schema": "marts", "threads": 1}}}
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leadhouse-")))
        # JSON is YAML
        (folder / "profiles.yml").write_text(json.dumps(profile), encoding="utf-8")
        stack.enter_context(_environment({PASSWORD_VARIABLE: password, "DO_NOT_TRACK": "1"}))
        # those of dbt and of what it stands on are nothing to our users
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield folder


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ |= values
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _sentence(message: str | None) -> str:
    lines = [line.strip() for line in (message or "no reason given").splitlines() if line.strip()]
    return " ".join(lines[:3])
