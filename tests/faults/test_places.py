"""What happens to the place that is loaded into, or to the way to the vendor: said in a sentence, and made up for."""

import ctypes
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import psycopg2
import pytest

from pipelines.sync import sync
from pipelines.warehouse import Warehouse
from sources.streams import Asked
from tests.conftest import FakeClock

from .conftest import CASES, Build, House, sentences


def test_read_only_file(build: Build) -> None:
    house = build("leedo")
    assert house.sync().exit_code == 0
    before = house.tables()
    file = house.folder / "leadhouse.duckdb"
    house.sandbox.leedo.crm.add_crm_rows("campaigns", 1)
    file.chmod(0o444)
    shown = run_elsewhere(
        house, "import sys\nfrom pipelines import cli\nsys.argv = ['leadhouse', 'sync', 'leedo']\ncli.main()"
    )
    assert shown.returncode in (1, 2), shown
    assert re.search(r"duckdb cannot be opened: .*; check destination.duckdb.credentials", shown.stdout), shown
    assert "Traceback" not in shown.stderr
    file.chmod(0o644)
    assert house.tables() == before


def run_elsewhere(house: House, code: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    with house.inside():
        environment = dict(os.environ) | {"PYTHONPATH": root, "HOME": str(house.folder)}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=house.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=_as_others,
    )


def _as_others() -> None:
    """Even root is held to what files permit: PR_CAPBSET_DROP, CAP_DAC_OVERRIDE. For others this does nothing."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_full_disk(build: Build, undisturbed: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """No file may grow beyond some size: the load fails, says so, and the next run has everything."""
    house = build("leadsie")
    code = (
        "import resource, signal, sys\n"
        "from pipelines import cli\nimport sources.leadsie, pipelines.sync\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))\n"
        "sys.argv = ['leadhouse', 'sync', 'leadsie']\ncli.main()"
    )
    shown = run_elsewhere(house, code)
    assert shown.returncode == 1, shown
    assert re.search(r"^leadsie: .+; .+", shown.stdout, re.MULTILINE), shown
    assert "Traceback" not in shown.stderr
    assert house.sync().exit_code == 0
    assert house.tables() == undisturbed["leadsie"]


@pytest.mark.parametrize("moment", ["while it reads", "while it loads"])
def test_database_goes_away(moment: str, build: Build, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = build("leadfeeder_legacy")
    for name, value in house.settings.items():
        monkeypatch.setenv(name, value)

    def load() -> tuple[int, list[str]]:
        warehouse = Warehouse("postgres", clock=FakeClock())
        summary = sync(
            warehouse, vendors=[house.case.vendor], asked=Asked(streams=frozenset({"visits"})), clock=FakeClock()
        )
        return summary.exit_code, sentences(summary)

    def everybody_out() -> None:
        with closing(psycopg2.connect(postgres)) as connection:
            connection.autocommit = True
            connection.cursor().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    steps = {"while it reads": "normalize", "while it loads": "load"}
    import dlt

    step = steps[moment]
    original = getattr(dlt.Pipeline, step)
    done: list[bool] = []

    def disturbed(pipeline: dlt.Pipeline, *arguments: object, **named: object) -> object:
        if not done:
            done.append(True)
            everybody_out()
        return original(pipeline, *arguments, **named)

    monkeypatch.setattr(dlt.Pipeline, step, disturbed)
    code, said = load()
    assert done
    if code:
        assert code == 1
        assert said
        for text in said:
            assert re.match(r"leadfeeder_legacy\b.*; .+", text, re.DOTALL), text
    assert load() == (0, [])
    ids = {row["id"] for row in dump_of(house)["visits"]}
    assert ids == {visit.id for visit in house.sandbox.world.history("6001").visits}


def dump_of(house: House) -> dict[str, list[dict[str, object]]]:
    from tests.reading import rows_of

    return {"visits": rows_of(Warehouse("postgres", clock=FakeClock()), house.case.vendor, "visits")}


class _Ok(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@contextmanager
def with_certificate(folder: Path, *, days: str) -> Iterator[tuple[str, Path]]:
    """A server whose certificate is valid from one day to another, and its certificate."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    config = folder / "ca.cnf"
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    config.write_text(
        "[ca]\ndefault_ca=own\n[own]\n"
        f"dir={folder}\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir={folder}\n"
        "default_md=sha256\npolicy=any\nx509_extensions=names\n[any]\ncommonName=supplied\n"
        "[names]\nsubjectAltName=IP:127.0.0.1\n[req]\ndistinguished_name=who\n[who]\n"
    )
    first, last = days.split()
    request = folder / "request.pem"
    for command in (
        ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1"],
        ["ca", "-batch", "-selfsign", "-keyfile", key, "-in", request, "-out", certificate, "-notext"],
    ):
        dates = ["-startdate", first, "-enddate", last] if command[0] == "ca" else []
        words = ["openssl", *map(str, command), "-config", str(config), *dates]
        subprocess.run(words, check=True, capture_output=True, timeout=30)
    server = HTTPServer(("127.0.0.1", 0), _Ok)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", certificate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("vendor", CASES)
def test_expired_certificate(
    vendor: str, build: Build, monkeypatch: pytest.MonkeyPatch, expired: tuple[str, Path]
) -> None:
    url, certificate = expired
    house = build(vendor)
    house.set(BASE_URL=url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    summary = house.sync()
    assert summary.exit_code == 1
    [said] = set(sentences(summary))
    assert re.match(rf"{vendor}: {url} has no valid certificate \(.*certificate has expired.*\); check base_url", said)


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    with with_certificate(tmp_path_factory.mktemp("tls"), days="20200101000000Z 20210101000000Z") as found:
        yield found
