"""Records what Leadsie answers to each call that the client makes; tests/recorder.py says what a cassette may hold.

With SOURCES__LEADSIE__API_KEY set and SOURCES__LEADSIE__BASE_URL unset it is the vendor that is recorded. Of a
request's body nothing is kept but the customUserId; users' and assets' ids are replaced like every other text.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import Sandbox, World
from sources.budget import Budget
from sources.clock import Clock
from sources.errors import SourceError
from sources.leadsie import api
from sources.leadsie.api import Api
from sources.meter import Meter
from sources.session import Session
from tests.conftest import FakeClock
from tests.recorder import Scrubber, tape

CASSETTES = Path(__file__).parents[1] / "cassettes" / "leadsie"
SECRET, ADDRESS = "SOURCES__LEADSIE__API_KEY", "SOURCES__LEADSIE__BASE_URL"
WRONG_KEY = "a-key-that-opens-nothing"
NOBODY = "nobody-has-this-id"
MATCH = ("method", "scheme", "host", "port", "path", "query", "body")
# a client's id stands in an address as well
KEPT_TEXTS = set("type status accessLevel connectionStatus time statusLastCheckedAt platform error clientId".split())


@dataclass(frozen=True)
class Call:
    """One cassette: what the client asks, and what is done to the sandbox where the vendor cannot be asked."""

    ask: Callable[[Api], object]
    trouble: Callable[[Sandbox], object] | None = None
    key: str | None = None


def _refused(client: Api) -> None:
    with suppress(SourceError):
        client.status(None, Meter())


def _first_client(client: Api) -> None:
    client.client(client.clients(Meter())[0], Meter())


def _newer(sandbox: Sandbox) -> None:
    sandbox.leadsie.options.vocabulary, sandbox.leadsie.options.user = "new", "text"


CALLS = {
    "connections": Call(lambda client: client.status(None, Meter())),
    "connections_of_nobody": Call(lambda client: client.status(NOBODY, Meter())),
    "newer_connections": Call(lambda client: client.status(None, Meter()), trouble=_newer),
    "clients": Call(_first_client),
    "unauthorized": Call(_refused, key=WRONG_KEY),
    "id_required": Call(
        _refused, trouble=lambda sandbox: setattr(sandbox.leadsie.options, "without_custom_user_id", "error")
    ),
    "rate_limited": Call(
        lambda client: client.status(None, Meter()),
        trouble=lambda sandbox: sandbox.faults.add("status", status=429, vendor="leadsie"),
    ),
}


def open_api(key: str, clock: Clock, base_url: str = api.BASE_URL) -> tuple[Session, Api]:
    """The client itself."""
    session = Session(
        base_url=base_url,
        auth=api.auth(key),
        secrets=(key,),
        budget=Budget(api.limit(api.REQUESTS_PER_MINUTE), clock=clock),
        clock=clock,
        read_error=api.read_error,
    )
    return session, Api(session, key, api.CLIENTS_PATH, api.CLIENT_PATH)


def kept(body: Any) -> bytes | None:
    """A request's body without the key."""
    if not body:
        return None
    question = json.loads(body)
    return json.dumps({name: question[name] for name in ("customUserId",) if name in question}).encode()


def _record(call: Call, path: Path, key: str, clock: Clock, base_url: str, scrub: Callable[[Any], Any]) -> None:
    path.unlink(missing_ok=True)
    session, client = open_api(key, clock, base_url)
    with closing(session), tape(base_url, scrub, api.BASE_URL, kept).use_cassette(str(path)):
        call.ask(client)
    if key in path.read_text():
        path.unlink()
        raise RuntimeError(f"the answer to {path.stem} names the key: nothing is kept of it")


def record(folder: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write every cassette into a folder."""
    folder.mkdir(exist_ok=True)
    real = None if settings.get(ADDRESS) else settings.get(SECRET)
    scrub = Scrubber(KEPT_TEXTS, {"user", "id"})
    for name, call in CALLS.items():
        path = folder / f"{name}.yaml"
        if real and not call.trouble:
            _record(call, path, call.key or real, Clock(), api.BASE_URL, scrub)
            continue
        clock = FakeClock()
        with Sandbox(World(days=3, accounts=1, today=clock.now().date()), clock=clock.epoch) as sandbox:
            if call.trouble:
                call.trouble(sandbox)
            key = call.key or sandbox.leadsie.options.api_key
            _record(call, path, key, clock, sandbox.base_urls["leadsie"], lambda document: document)
    return [folder / f"{name}.yaml" for name in CALLS]
