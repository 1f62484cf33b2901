"""What somebody may have typed wrong: the command says which word or setting it is, and what to do, in one sentence."""

import re
from pathlib import Path

import pytest

from pipelines.destination import resolve
from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse, WarehouseError
from sandbox import Sandbox
from sources.clock import Clock
from tests.pipelines.cli_process import (
    BASE_URL,
    FAILED,
    NO_PORT,
    SECRET,
    USAGE,
    VENDOR,
    Ended,
    assert_one_sentence,
    start,
)

SECTION = f"sources.{VENDOR}"


def leadhouse(*arguments: str) -> Ended:
    """The console command, in a process of its own: dlt reads its files once."""
    return start(*arguments).wait()


def test_no_key() -> None:
    ended = leadhouse("sync")
    assert ended.exit_code == USAGE
    assert ended.stdout == ""
    *log, last = ended.stderr.splitlines()
    assert last.startswith("leadhouse: no vendor is configured")
    assert "set at least one, in .dlt/secrets.toml or the environment" in last
    assert len(log) == len(VENDORS)
    for vendor in VENDORS.values():
        assert vendor.secret_setting in last


@pytest.mark.usefixtures("key")
def test_no_key_of_the_vendor_that_has_the_stream() -> None:
    ended = leadhouse("sync", "--stream", "connections")
    assert ended.exit_code == USAGE
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("leadhouse: no vendor of connections is configured: sources.leadsie.api_key is not set;")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sync", "nobody"], ["nobody", f"choose among leadfeeder, {VENDOR}"]),
        (["sync", VENDOR, "--stream", "nothing"], ["nothing", "choose among accounts", "visits"]),
        (["sync", "--from", "2026-02-30"], ["--from", "2026-02-30", "YYYY-MM-DD"]),
        (["sync", "--from", "yesterday"], ["--from", "yesterday", "YYYY-MM-DD"]),
        (["sync", "--from", "2026-02-03", "--to", "02/04/2026"], ["--to", "02/04/2026", "YYYY-MM-DD"]),
        (["sync", "--from", "2026-02-03", "--to", "2026-02-02"], ["--from", "--to", "give the earlier day first"]),
        (["sync", "--from", "2999-01-01"], ["--from 2999-01-01 lies in the future", "give a day that has begun"]),
        (["sync", "--from", "2999-01-01", "--to", "2999-01-02"], ["--from 2999-01-01 lies in the future"]),
        (["sync", "--max-wait", "-5m"], ["--max-wait", "-5m", "give seconds"]),
        (["sync", "--to", "2026-02-02"], ["--to", "give the first day with --from"]),
        (["sync", "--max-wait", "soon"], ["--max-wait", "soon", "give seconds"]),
        (["sync", "--max-wait", "nan"], ["--max-wait", "nan", "give seconds"]),
        (["status", "--max-wait", "soon"], ["--max-wait", "soon", "give seconds"]),
        (["check", "--max-wait", "soon"], ["--max-wait", "soon", "give seconds"]),
        (["recover", "--max-wait", "soon"], ["--max-wait", "soon", "give seconds"]),
        (["recover", "nobody"], ["nobody", "choose among"]),
        (["verify", VENDOR, "--from", "soon"], ["--from", "soon", "YYYY-MM-DD"]),
        (["report", "--month", "2026-13"], ["--month", "2026-13", "YYYY-MM"]),
        (["sync", "--destination", "nowhere"], ["nowhere", "choose duckdb, postgres"]),
        (["sync", "--destination", "weaviate"], ["weaviate cannot replace a day", "choose duckdb, postgres"]),
        (["sync", "--destination", "filesystem"], ["destination.filesystem.bucket_url is not set", "give it a folder"]),
        (["sync", "--destination", "postgres"], ["destination.postgres.credentials", "postgresql://"]),
        (["sync", "--alert-slack", "hooks.example.com/x-word"], ["--alert-slack", "https://hooks.slack.com/"]),
        (["sync", "--alert-slack", "https://[x-word"], ["--alert-slack", "https://hooks.slack.com/"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.usefixtures("key")
def test_wrong_words(arguments: list[str], words: list[str]) -> None:
    ended = leadhouse(*arguments)
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, *words)
    assert "x-word" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (BASE_URL, "api.example.com", [f"{SECTION}.base_url", "give it as https://"]),
        ("DESTINATION__DUCKDB__CREDENTIALS", "none/here.duckdb", ["destination.duckdb.credentials", "make it first"]),
        ("DESTINATION__DUCKDB__CREDENTIALS", ":memory:", ["destination.duckdb.credentials", "a file that stays"]),
    ],
)
@pytest.mark.usefixtures("key")
def test_wrong_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: list[str]) -> None:
    monkeypatch.setenv(name, value)
    ended = leadhouse("sync", VENDOR)
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, *words)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://loader:x-word@127.0.0.1/db", ["no connection string of PostgreSQL", "postgresql://user"]),
        ("loader:x-word@127.0.0.1/db", ["destination.postgres.credentials is no connection string"]),
        ("postgresql://loader:p@x-word@127.0.0.1/db", ["has an @ in its password", "%40"]),
    ],
)
@pytest.mark.usefixtures("key")
def test_a_wrong_address_of_a_database_stays_secret(
    monkeypatch: pytest.MonkeyPatch, address: str, words: list[str]
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    for command in ("sync", "status", "transform", "report"):
        ended = leadhouse(command, "--destination", "postgres")
        assert ended.exit_code == USAGE
        assert_one_sentence(ended, *words)
        assert "x-word" not in ended.stderr


@pytest.mark.usefixtures("key")
def test_what_a_driver_says_of_an_address_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(
            "dlt's words. The actual reason given is: invalid dsn: postgresql://loader:x-w%40rd@h/db x-w@rd"
        )

    address = f"postgresql+psycopg2://loader:x-w%40rd@{NO_PORT}/db"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    assert resolve("postgres")[0].config_params["credentials"].to_native_representation().startswith("postgresql://")
    monkeypatch.setattr("psycopg2.connect", fail)
    warehouse = Warehouse("postgres", clock=Clock())
    with pytest.raises(WarehouseError) as raised, warehouse.open():
        pass
    assert str(raised.value).startswith("postgres cannot be opened: invalid dsn: postgresql://loader:***@h/db ***")


@pytest.mark.usefixtures("key")
def test_a_folder_for_notes_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_DATA_DIR", "/proc/here")
    for command in (["sync", VENDOR], ["check"]):
        ended = leadhouse(*command)
        assert ended.exit_code in (USAGE, FAILED)
        said = ended.stdout + ended.stderr
        assert "/proc/here" in said
        assert "set DLT_DATA_DIR to a folder that it may write" in said
        assert "Traceback" not in said


@pytest.mark.usefixtures("key")
def test_a_file_that_is_no_database(house: Path) -> None:
    (house / "leadhouse.duckdb").write_text("hello")
    ended = leadhouse("status")
    assert ended.exit_code == FAILED
    assert_one_sentence(ended, "duckdb cannot be opened: ", "not a valid DuckDB database file")
    assert "internet connection" not in ended.stderr


@pytest.mark.usefixtures("key")
def test_a_warehouse_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "/proc/here.duckdb")
    for command, code in (("sync", USAGE), ("recover", FAILED)):
        ended = leadhouse(command)
        assert ended.exit_code == code
        said = ended.stdout + ended.stderr
        assert re.search(
            r"/proc cannot be written \(.+\); let this user write it, or check destination\.duckdb\.", said
        )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('requests_per_minute = "many"', [f"{SECTION}.requests_per_minute", "many", "give it as"]),
        ("requests_per_minute = 0", [f"{SECTION}.requests_per_minute", "give a number above 0"]),
        ('lookback_days = "abc"', [f"{SECTION}.lookback_days", "abc", "give it as"]),
        ("lookback_days = -1", [f"{SECTION}.lookback_days", "give 0 or more days"]),
        ('start_date = "soon"', [f"{SECTION}.start_date", "YYYY-MM-DD"]),
        ('pii = "some"', [f"{SECTION}.pii", "choose keep, hash or drop"]),
        ('export_window = "year"', [f"{SECTION}.export_window", "month"]),
        ('export_max_age = "long"', [f"{SECTION}.export_max_age", "give seconds"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.usefixtures("key")
def test_wrong_settings(house: Path, line: str, words: list[str]) -> None:
    (house / ".dlt").mkdir()
    (house / ".dlt/config.toml").write_text(f"[{SECTION}]\n{line}\n")
    ended = leadhouse("sync", VENDOR)
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, *words)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.toml", "lookback_days = = 3\n"),
        ("secrets.toml", f'[{SECTION}]\napi_token = "hidden-word\n'),
        ("secrets.toml", "[sources\n"),
    ],
)
@pytest.mark.parametrize("command", ["sync", "status", "check"])
@pytest.mark.usefixtures("key")
def test_settings_file_that_cannot_be_read(house: Path, name: str, content: str, command: str) -> None:
    (house / ".dlt").mkdir()
    (house / ".dlt" / name).write_text(content)
    (house / ".dlt" / name).chmod(0o600)
    ended = leadhouse(command)
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, f".dlt/{name} cannot be read: ", "line ", "; fix it, or move it elsewhere")
    assert "hidden-word" not in ended.stderr


def test_dsn_that_is_none(monkeypatch: pytest.MonkeyPatch, key: None) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "nonsense")
    ended = leadhouse("sync", "--destination", "postgres")
    assert ended.exit_code == USAGE
    assert_one_sentence(ended, "destination.postgres.credentials", "give it as postgresql://")


@pytest.mark.usefixtures("key")
def test_dsn_that_does_not_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"postgresql://u:hidden-word@{NO_PORT}/x")
    ended = leadhouse("sync", VENDOR, "--destination", "postgres")
    assert ended.exit_code == USAGE
    assert re.fullmatch(
        r"leadfeeder_legacy: postgres cannot be opened: [^\n]+; check destination.postgres.credentials\n", ended.stdout
    )
    assert "Traceback" not in ended.stderr
    assert "hidden-word" not in ended.stdout + ended.stderr


@pytest.mark.usefixtures("key")
def test_warehouse_that_is_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path))
    ended = leadhouse("sync", VENDOR)
    assert ended.exit_code == USAGE
    assert re.fullmatch(
        r"leadfeeder_legacy: [^\n]*Is a directory[^\n]*; check destination.duckdb.credentials\n", ended.stdout
    )
    assert "Traceback" not in ended.stderr


# what only the vendor knows


@pytest.mark.usefixtures("vendors")
def test_refused_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "not-the-key")
    ended = leadhouse("sync", VENDOR)
    assert ended.exit_code == FAILED
    [told] = ended.stdout.splitlines()
    assert told.startswith(f"{VENDOR}: /accounts answered 401 (")
    assert told.endswith("check the key")
    assert "Traceback" not in ended.stderr
    assert "not-the-key" not in ended.stdout + ended.stderr


def test_unknown_account(vendors: Sandbox) -> None:
    ended = leadhouse("sync", VENDOR, "--account", "4711")
    assert ended.exit_code == FAILED
    [told] = ended.stdout.splitlines()
    assert "4711" in told
    assert "6001, 6002" in told
    assert told.endswith("check --account and account_ids")
    assert "Traceback" not in ended.stderr
