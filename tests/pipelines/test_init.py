"""The first day: what init asks, tries and writes, against simulated vendors; and that what it foretells comes true."""

import json
import stat
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from typer.testing import CliRunner

from pipelines import cli
from pipelines.vendors import VENDORS
from tests.pipelines.cli_process import FIRST_DAY, LAST_DAY, Ended, leadhouse, settings, simulated

SECRETS = Path(".dlt/secrets.toml")


@pytest.fixture(autouse=True)
def reread(house: Path) -> Iterator[None]:
    """dlt reads its files once; a new process would read those of the working directory."""
    yield
    SECRETS.unlink(missing_ok=True)
    Container()[PluggableRunContext].reload_providers()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The keys of the simulated vendors, which are at work, but know of no settings but their addresses."""
    with simulated() as sandbox:
        found = {}
        for name, value in settings(sandbox).items():
            secret = next((v.name for v in VENDORS.values() if name == _variable(v.secret_setting)), None)
            if secret:
                found[secret] = value
            elif not name.endswith("START_DATE"):
                monkeypatch.setenv(name, value)
        yield found


def _variable(setting: str) -> str:
    return setting.replace(".", "__").upper()


def answer(*answers: str, arguments: tuple[str, ...] = ()) -> Ended:
    """Run init in this process and type these lines."""
    result = CliRunner().invoke(cli.app, ["init", *arguments], input="".join(f"{line}\n" for line in answers))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def unattended(keys: dict[str, str], *more: str) -> Ended:
    return leadhouse("init", "--yes", *(word for v, key in keys.items() for word in ("--key", f"{v}={key}")), *more)


def written() -> dict[str, dict[str, object]]:
    sources = tomllib.loads(SECRETS.read_text())["sources"]
    assert isinstance(sources, dict)
    return sources


def test_all_of_it_as_options_and_what_it_writes_is_what_a_sync_reads(keys: dict[str, str]) -> None:
    ended = unattended(keys, "--account", "leadfeeder=6002", "--start-date", f"{FIRST_DAY}")
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.endswith("Now type:\n\n  leadhouse sync\n\n")
    assert stat.S_IMODE(SECRETS.stat().st_mode) == 0o600
    assert written() == {
        "leadfeeder": {"api_key": keys["leadfeeder"], "account_ids": ["6002"], "start_date": f"{FIRST_DAY}"},
        "leadfeeder_legacy": {"api_token": keys["leadfeeder_legacy"], "start_date": f"{FIRST_DAY}"},
        "leadsie": {"api_key": keys["leadsie"]},
        "leedo": {"api_token": keys["leedo"]},
    }
    assert not any(key in ended.stdout + ended.stderr for key in keys.values())
    Container()[PluggableRunContext].reload_providers()
    summary = json.loads(leadhouse("sync", "--json").stdout)
    assert summary["exit_code"] == 0
    assert {each["vendor"] for each in summary["vendors"]} == set(VENDORS)
    visits = [s for v in summary["vendors"] for s in v["streams"] if s["stream"] == "visits"]
    assert {(s["account_id"], s["window_start"]) for s in visits} == {
        ("6001", f"{FIRST_DAY}"),
        ("6002", f"{FIRST_DAY}"),
    }
    # the second time it is all there
    again = leadhouse("init", "--yes")
    assert again.exit_code == 0
    assert "Written" not in again.stdout


def test_what_it_foretells_comes_about(keys: dict[str, str]) -> None:
    ended = unattended(keys, "--start-date", f"{FIRST_DAY}")
    lines = [line.split() for line in ended.stdout.splitlines() if "request(s)" in line]
    foretold = {line[0].strip(":"): int(line[line.index("request(s),") - 1].replace(",", "")) for line in lines}
    Container()[PluggableRunContext].reload_providers()
    summary = json.loads(leadhouse("sync", "--json").stdout)
    made = {each["vendor"]: sum(s["requests"] for s in each["streams"]) for each in summary["vendors"]}
    assert set(foretold) == set(made) == set(VENDORS)
    for vendor, requests in made.items():
        assert 0.6 * requests <= foretold[vendor] <= 1.7 * requests, (vendor, foretold[vendor], requests)


def test_somebody_is_asked_for_keys_accounts_and_a_first_day(keys: dict[str, str]) -> None:
    # no key for the first vendor; a wrong one, then the right one for the second; none for the others
    ended = answer("", "wrong", keys["leadfeeder_legacy"], "", "", "nobody", "6001", "tomorrow", f"{FIRST_DAY}")
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    said = ended.stdout
    assert "answered 401" in said
    assert "account nobody is not among those that the key can see (6001, 6002)" in said
    assert "give it as YYYY-MM-DD" in said
    # some first days are offered, each with what it takes
    assert said.count("request(s)") == 5
    assert keys["leadfeeder_legacy"] not in said
    assert written() == {
        "leadfeeder_legacy": {
            "api_token": keys["leadfeeder_legacy"],
            "account_ids": ["6001"],
            "start_date": f"{FIRST_DAY}",
        }
    }


def test_a_wrong_key_unattended_writes_nothing(keys: dict[str, str]) -> None:
    ended = unattended(keys | {"leedo": "wrong"})
    assert ended.exit_code == 1
    assert "leadhouse: leedo: " in ended.stderr
    assert not SECRETS.exists()


def test_what_is_there_stays_with_its_comments(keys: dict[str, str]) -> None:
    SECRETS.parent.mkdir()
    there = '# mine\n[sources.leadfeeder]\npii_key = "long"  # for hashes\n\n[destination.postgres]\n# later\n'
    SECRETS.write_text(there)
    SECRETS.chmod(0o644)
    assert unattended({"leadfeeder": keys["leadfeeder"]}).exit_code == 0
    now = SECRETS.read_text()
    assert [line for line in now.splitlines() if line in there.splitlines() and line] == [
        line for line in there.splitlines() if line
    ]
    assert written()["leadfeeder"] == {"pii_key": "long", "api_key": keys["leadfeeder"]}
    assert stat.S_IMODE(SECRETS.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("more", "name", "there"),
    [
        (("--key", "leedo=another"), "SOURCES__LEEDO__API_TOKEN", "mine"),
        (("--account", "leadfeeder=6002"), "SOURCES__LEADFEEDER__ACCOUNT_IDS", "6001"),
        (("--start-date", "2026-01-01"), "SOURCES__LEADFEEDER__START_DATE", f"{FIRST_DAY}"),
        (("--postgres-dsn", "postgresql://a@b/c"), "DESTINATION__POSTGRES__CREDENTIALS", "postgresql://d@e/f"),
    ],
    ids=["key", "account", "start date", "destination"],
)
def test_what_is_set_is_not_overwritten(
    more: tuple[str, ...], name: str, there: str, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, there)
    ended = unattended({"leadfeeder": keys["leadfeeder"]}, *more)
    assert ended.exit_code == 2
    assert "is set already; change it there" in ended.stderr
    assert not SECRETS.exists()


def test_postgres_is_tried_and_written(keys: dict[str, str], postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESTINATION__POSTGRES__CREDENTIALS")
    nobody = "postgresql://nobody:x@127.0.0.1:9/nowhere"
    ended = unattended({"leadsie": keys["leadsie"]}, "--postgres-dsn", nobody)
    assert ended.exit_code == 1
    assert not SECRETS.exists()
    ended = answer(*("", "", keys["leadsie"], ""), *(nobody, postgres), arguments=("--destination", "postgres"))
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    assert "leadhouse sync --destination postgres" in ended.stdout
    assert tomllib.loads(SECRETS.read_text())["destination"]["postgres"]["credentials"] == postgres


def test_nobody_has_a_key() -> None:
    ended = answer("", "", "", "")
    assert ended.exit_code == 2
    assert "no key was given" in ended.stderr
    assert not SECRETS.exists()


@pytest.mark.parametrize(
    "words", [("--key", "leedo"), ("--key", "nobody=1"), ("--start-date", "soon"), ("--start-date", "2999-01-01")]
)
def test_wrong_words(words: tuple[str, ...], keys: dict[str, str]) -> None:
    ended = unattended({"leadfeeder": keys["leadfeeder"]}, *words)
    assert ended.exit_code == 2
    assert not SECRETS.exists()


def test_a_week_of_one_account_stands_for_many() -> None:
    from sources.first_load import FirstLoad, Load
    from sources.windows import Days

    cost = FirstLoad(Load(once=2, per_day=1.5, per_month=8, exports_per_month=2).times(10), 100 / 60, "", 5 / 60)
    days = Days(LAST_DAY.replace(day=1), LAST_DAY.replace(day=1) + timedelta(days=9))
    assert cost.requests(days) == 20 + 150 + 80
    # the exports take longer than all requests
    assert cost.seconds(days) == pytest.approx(20 / 5 * 60)
