"""Every command in an empty folder, at debug level and in trouble: no byte that is left holds a secret.

What a transform and a report leave is looked at by tests/models.
"""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sandbox.requests_log import Seen
from sources.clock import Clock
from tests.pipelines.cli_process import FIRST_DAY, LAST_DAY, Ended, settings, simulated, start
from tests.recorder import WRONG_TOKEN

from .searching import holding, left_in, left_in_postgres

KEYS = {
    "leadfeeder_legacy": "lGcy/tok+9Qw7Fh2==",
    "leadfeeder": "v1-key~7Zr/Pp+3xMn",
    "leadsie": "leadsie/5Jt8+Ud=Rv1",
    "leedo": "leedo:bearer/4Kd+2Bs",
}
WRONG = "wrong/key+8Xe1Ck5Ty"
PASSWORD = "pg@pass/word:6Yx0Lq"
PII_KEY = "pii/key+3Hn7Gm9Wz"
SECRETS = (*KEYS.values(), WRONG, PASSWORD, PII_KEY)
ALLOWED = "house/.dlt/secrets.toml"
DAYS = ("--from", f"{FIRST_DAY}", "--to", f"{LAST_DAY}")
OK, FAILED, USAGE = 0, 1, 2
TESTS = Path(__file__).parents[1]


class Yard:
    """The simulated vendors with keys of their own, and commands as processes in the current folder."""

    def __init__(self, sandbox: Sandbox, root: Path, dsn: str) -> None:
        self.sandbox, self.root, self.dsn = sandbox, root, dsn
        self.told: list[Seen] = []
        sandbox.leadfeeder_legacy.options.token = KEYS["leadfeeder_legacy"]
        sandbox.leadfeeder.options.api_key = KEYS["leadfeeder"]
        sandbox.leadsie.options.api_key = KEYS["leadsie"]
        sandbox.leedo.options.token = KEYS["leedo"]
        exports = sandbox.leadfeeder_legacy.options.exports
        exports.pending_polls, exports.download_host, exports.redirect_downloads = 0, "other", True

    def run(self, *words: str, ends: int = OK) -> Ended:
        ended = start(*words, "--debug").wait(60)
        self.told += self.sandbox.requests
        self.sandbox.requests.clear()
        assert ended.exit_code == ends, f"{words}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def holding(self) -> set[tuple[str, str]]:
        """Where a secret is, and should not be."""
        found = holding(SECRETS, left_in(self.root)) | holding(SECRETS, left_in_postgres(self.dsn))
        return {(place, secret) for place, secret in found if place != ALLOWED}

    def places(self, text: str) -> set[str]:
        """Where a text is that may be there: the search sees it."""
        return {place for place, _ in holding([text], [*left_in(self.root), *left_in_postgres(self.dsn)])}


# an answer that says the key back, in words and in a field of its own: one stream of each vendor
ECHOES = {
    "leadfeeder_legacy": ("custom_feeds", "*/custom-feeds", {"data": [{"id": "e", "attributes": {"name": "KEY"}}]}),
    "leadfeeder": ("tags", "/tags", {"data": [{"id": "e", "type": "tag", "attributes": {"name": "KEY"}}]}),
    "leadsie": ("connections", "*", {"allConnections": [{"user": 1, "requestName": "KEY", "accessLevel": "view"}]}),
    "leedo": ("campaigns", "/campaigns", {"data": [{"id": "e", "name": "KEY"}], "meta": {"total": 1}}),
}


def echo(vendor: str) -> dict[str, Any]:
    """The answer with the key in it, also below `apiKey`, which is how Leadsie calls it."""
    document = json.dumps(ECHOES[vendor][2]).replace('"KEY"', '"said KEY back", "apiKey": "KEY"')
    found: dict[str, Any] = json.loads(document.replace("KEY", KEYS[vendor]))
    return found


@pytest.fixture
def yard(tmp_path: Path, house: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    with simulated(World(today=LAST_DAY, days=2, accounts=1, visits_per_day=4)) as sandbox:
        (tmp_path / "tmp").mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
        # keys, first day and address are what init is told
        monkeypatch.delenv("DESTINATION__POSTGRES__CREDENTIALS")
        secret = {vendor.secret_setting.replace(".", "__").upper() for vendor in VENDORS.values()}
        more = {"EXPORT_FEEDS": "all_leads", "PII": "hash", "PII_KEY": PII_KEY, "EXPORT_REQUESTS_PER_MINUTE": "1000"}
        found = settings(sandbox) | {f"SOURCES__LEADFEEDER_LEGACY__{name}": value for name, value in more.items()}
        for name, value in found.items():
            if name not in secret and not name.endswith("START_DATE"):
                monkeypatch.setenv(name, value)
        yield Yard(sandbox, tmp_path, postgres)
    # dlt reads its files once, and would tell the next test these keys
    (house / ".dlt/secrets.toml").unlink()
    Container()[PluggableRunContext].reload_providers()


def test_nothing_is_let_out(yard: Yard, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = yard.dsn.replace("not-a-secret", quote(PASSWORD, safe=""))
    keys = [word for vendor, key in KEYS.items() for word in ("--key", f"{vendor}={key}")]
    yard.run("init", "--yes", "--key", f"leedo={WRONG}", ends=FAILED)
    yard.run("init", "--yes", *keys, "--postgres-dsn", dsn, "--start-date", f"{FIRST_DAY}")
    in_trouble(yard, "--destination", "duckdb")
    # where there is a password
    in_trouble(yard, "--destination", "postgres", reading=True)
    a_wrong_key_and_no_database(yard, monkeypatch)
    killed(yard)
    assert yard.holding() == set()
    assert any("/load/" in place for place in yard.places(f"{LAST_DAY}")), "the package that was left"
    yard.run("recover")
    yard.run("sync")
    assert yard.holding() == set()

    # the search sees packages, both databases, and what is packed in them
    visit = yard.sandbox.world.visits("6001", LAST_DAY)[0].id
    seen = yard.places(visit)
    assert any(place.startswith("dlt/") and place.endswith(".parquet") for place in seen), seen
    assert {"house/leadhouse.duckdb: leadfeeder_legacy.visits", "postgres: leadfeeder_legacy.visits"} <= seen
    assert "postgres: leadsie._dlt_pipeline_state" in yard.places("sources")
    # each answer with a key in it was loaded, without it
    said = yard.places("said *** back")
    for vendor, (stream, *_) in ECHOES.items():
        assert f"postgres: {vendor}.{stream}" in said, (vendor, said)
    written = (house / ".dlt" / "secrets.toml").read_text()
    assert all(secret in written for secret in KEYS.values())
    assert quote(PASSWORD, safe="") in written
    nobody_else_was_told(yard)


def in_trouble(yard: Yard, *to: str, reading: bool = False) -> None:
    """Loads that succeed in spite of it, and others that do not; and every command that reads, where that is asked."""
    faults, exports = yard.sandbox.faults, yard.sandbox.leadfeeder_legacy.options.exports
    faults.add("status", status=500, path="*/visits")
    faults.add("status", status=429, retry_after=0, path="/web-visits")
    faults.add("cut_headers", path="/leads")
    faults.add("cut_body", path="*/leads")
    yard.run("sync", *to)
    exports.never_ready = True
    yard.run("sync", "leadfeeder_legacy", "--no-wait", *to)
    exports.never_ready = False
    if reading:
        yard.run("check", *to)
        yard.run("status", *to)
        yard.run("status", "--json", *to)
        for vendor in ("leadfeeder_legacy", "leedo"):
            yard.run("verify", vendor, *DAYS, *to)
    # they say the key back, in words, or send it elsewhere
    for vendor, status, path in (
        ("leadfeeder_legacy", 403, "*/visits"),
        ("leadfeeder", 401, "/tags"),
        ("leadsie", 400, "*"),
        ("leedo", 403, "/contacts"),
    ):
        body = {"errors": [{"title": f"{KEYS[vendor]} is no good"}], "message": KEYS[vendor]}
        faults.add("status", status=status, vendor=vendor, path=path, times=None, body=body)
    elsewhere = yard.sandbox.leadfeeder_legacy.exports.other_origin
    for vendor, path in (("leadfeeder_legacy", "*/custom-feeds"), ("leedo", "/campaigns")):
        away = f"{elsewhere}/{vendor}/accounts?key={KEYS[vendor]}"
        faults.add("status", status=302, vendor=vendor, path=path, times=None, location=away)
    faults.add("html", path="*/website-tracking-script", times=2)
    yard.run("sync", "--json", *to, ends=FAILED)
    if reading:
        yard.run("verify", "leadfeeder_legacy", *DAYS, *to, ends=FAILED)
    faults.clear()
    for vendor, (_, path, _) in ECHOES.items():
        faults.add("wrong_shape", vendor=vendor, path=path, body=echo(vendor))
    yard.run("sync", *(word for stream, *_ in ECHOES.values() for word in ("--stream", stream)), *to)
    faults.clear()


def a_wrong_key_and_no_database(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for vendor in VENDORS.values():
            patch.setenv(vendor.secret_setting.replace(".", "__").upper(), WRONG)
        nowhere = f"postgresql://somebody:{quote(PASSWORD, safe='')}@127.0.0.1:9/nowhere"
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", nowhere)
        yard.run("check", "--destination", "postgres", ends=FAILED)
        yard.run("sync", "--destination", "postgres", ends=USAGE)
        yard.run("sync", ends=FAILED)
        patch.setenv("SOURCES__LEEDO__API_TOKEN", f"{WRONG}\n")
        yard.run("sync", "leedo", ends=USAGE)


def killed(yard: Yard) -> None:
    """A run that is killed while its load waits for its turn leaves a package."""
    warehouse = Warehouse("duckdb", clock=Clock())
    packages = warehouse.working_dir / "leadfeeder_legacy" / "load" / "normalized"
    yard.sandbox.requests.clear()
    yard.sandbox.faults.add("stall", seconds=0.5, path="*/visits")
    run = start("sync", "leadfeeder_legacy", "--stream", "visits", "--debug")
    assert run.when(lambda: yard.sandbox.requests.count("*/visits") > 0), run.wait()
    with warehouse.open():
        assert run.when(lambda: any(packages.glob("*/new_jobs/visits.*"))), run.wait()
        run.signal(signal.SIGKILL)
        assert run.wait().exit_code == -signal.SIGKILL


def nobody_else_was_told(yard: Yard) -> None:
    """A key is sent to its own vendor, on the host of the base URL; a report was fetched from another one."""
    ours = yard.sandbox.url.removeprefix("http://")
    elsewhere = 0
    for seen in yard.told:
        words = " ".join((seen.path, seen.body, *seen.query.values(), *seen.headers.values()))
        mine = KEYS[seen.vendor] if seen.headers["host"] == ours else None
        assert not any(key in words for key in SECRETS if key not in (mine, WRONG)), seen
        assert mine is not None or WRONG not in words
        elsewhere += mine is None
    assert elsewhere


def test_cassettes_and_samples_hold_no_key() -> None:
    options = Sandbox()
    known = [vendor_key for vendor_key in options.settings().values() if vendor_key.startswith("sandbox-")]
    assert len(known) == len(VENDORS)
    folders = [path for name in ("cassettes", "samples", "schemas") for path in TESTS.rglob(name)]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    for path in files:
        text = path.read_text()
        assert holding([*known, WRONG_TOKEN], [(path.name, text.encode())]) == set()
        assert not re.search(r"(?i)authorization|x-api-key|cookie:|api_?key", text), path
