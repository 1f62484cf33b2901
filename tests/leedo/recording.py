"""Records what Leedo answers to each call that the client makes; tests/recorder.py says what a cassette may hold.

With SOURCES__LEEDO__API_TOKEN set and SOURCES__LEEDO__BASE_URL unset it is the vendor that is recorded: the first page
of each list in rows of five, and the first row of each by itself. Names, emails, phones and companies are replaced.
"""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import Sandbox, World
from sources.budget import Budget
from sources.clock import Clock
from sources.errors import SourceError
from sources.leedo import api
from sources.leedo.api import Api
from sources.meter import Meter
from sources.session import Session
from tests.conftest import FakeClock
from tests.recorder import Scrubber, tape

CASSETTES = Path(__file__).parents[1] / "cassettes" / "leedo"
SECRET, ADDRESS = "SOURCES__LEEDO__API_TOKEN", "SOURCES__LEEDO__BASE_URL"
WRONG_TOKEN = "a-token-that-opens-nothing"
LISTS = ("leads", "accounts", "contacts", "campaigns")
SIZE = 5
BEYOND = 99_999
KEPT_TEXTS = set("id account_id status role industry created_at updated_at error message title detail".split())


@dataclass(frozen=True)
class Call:
    """One cassette: what the client asks, and what is done to the sandbox where the vendor cannot be asked."""

    ask: Callable[[Api], object]
    trouble: Callable[[Sandbox], object] | None = None
    token: str | None = None


def _list(name: str, client: Api) -> None:
    client.page(name, 1, Meter())


def _detail(name: str, client: Api) -> None:
    client.detail(name, client.page(name, 1, Meter()).ids[0], Meter())


def _beyond(client: Api) -> None:
    client.page("leads", BEYOND, Meter())


def _refused(client: Api) -> None:
    with suppress(SourceError):
        client.page("leads", 1, Meter())


CALLS = {
    **{name: Call(partial(_list, name)) for name in LISTS},
    **{f"{name}_details": Call(partial(_detail, name)) for name in LISTS},
    "beyond_the_end": Call(_beyond),
    "unauthorized": Call(_refused, token=WRONG_TOKEN),
    "rate_limited": Call(
        partial(_list, "leads"),
        trouble=lambda sandbox: sandbox.faults.add("status", status=429, vendor="leedo"),
    ),
}


def open_api(token: str, clock: Clock, base_url: str = api.BASE_URL) -> tuple[Session, Api]:
    """The client itself."""
    session = Session(
        base_url=base_url,
        auth=api.auth(token),
        secrets=(token,),
        budget=Budget(api.limit(api.REQUESTS_PER_HOUR), clock=clock),
        clock=clock,
        read_error=api.read_error,
        turn=api.HOUR,
    )
    return session, Api(session, page="page", per_page="per_page", size=SIZE)


def _record(call: Call, path: Path, token: str, clock: Clock, base_url: str, scrub: Callable[[Any], Any]) -> None:
    path.unlink(missing_ok=True)
    session, client = open_api(token, clock, base_url)
    with closing(session), tape(base_url, scrub, api.BASE_URL).use_cassette(str(path)):
        call.ask(client)
    if token in path.read_text():
        path.unlink()
        raise RuntimeError(f"the answer to {path.stem} names the token: nothing is kept of it")


def record(folder: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write every cassette into a folder."""
    folder.mkdir(exist_ok=True)
    real = None if settings.get(ADDRESS) else settings.get(SECRET)
    scrub = Scrubber(KEPT_TEXTS)
    for name, call in CALLS.items():
        path = folder / f"{name}.yaml"
        if real and not call.trouble:
            _record(call, path, call.token or real, Clock(), api.BASE_URL, scrub)
            continue
        clock = FakeClock()
        with Sandbox(World(days=3, accounts=1, clock=clock.epoch), clock=clock.epoch) as sandbox:
            if call.trouble:
                call.trouble(sandbox)
            token = call.token or sandbox.leedo.options.token
            _record(call, path, token, clock, sandbox.base_urls["leedo"], lambda document: document)
    return [folder / f"{name}.yaml" for name in CALLS]
