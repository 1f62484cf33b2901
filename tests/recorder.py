"""Records what the token API answers to each call that the client makes, as cassettes that replay without a network.

`python -m tests.recorder` records the project's sandbox. With SOURCES__LEADFEEDER_LEGACY__API_TOKEN set and
SOURCES__LEADFEEDER_LEGACY__BASE_URL unset it records the vendor instead: yesterday's leads and visits of the first
premium account. What the vendor cannot be asked for (a 429, visits without links) is the sandbox's either way.

Either way a cassette names the vendor's documented host and holds no key, no cookie and no other header than what the
client reads. Of the vendor's own answers every text is replaced before anything is written, unless its field is known
to hold nothing personal: emails, names, phone numbers, addresses of pages, search phrases, cookies, visitors' and
CRMs' ids. A field that the vendor adds tomorrow is replaced as well. Equal texts stay equal. Ids of accounts, leads,
visits and locations, dates, counts and places are kept.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import vcr
from vcr.persisters.filesystem import FilesystemPersister
from vcr.request import Request
from vcr.serializers import yamlserializer

from sandbox import Sandbox, World
from sources.budget import Budget
from sources.clock import Clock
from sources.errors import AccessError
from sources.keys import HeaderAuth
from sources.leadfeeder_legacy import api
from sources.leadfeeder_legacy.api import Api
from sources.meter import Meter
from sources.session import Session
from sources.streams import Account
from sources.windows import Days, today
from tests.conftest import FakeClock

CASSETTES = Path(__file__).with_name("cassettes") / "leadfeeder_legacy"
SECRET, ADDRESS = "SOURCES__LEADFEEDER_LEGACY__API_TOKEN", "SOURCES__LEADFEEDER_LEGACY__BASE_URL"
WRONG_TOKEN = "a-token-that-opens-nothing"
# vendors whose calls are recorded by a module of their own, `recording`
OTHERS = ("leadfeeder", "leadsie", "leedo")
MATCH = ("method", "scheme", "host", "port", "path", "query")

# what the client sends or reads
REQUEST_HEADERS = {"accept", "user-agent"}
RESPONSE_HEADERS = {"content-type", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
# what a text may say as the vendor said it
KEPT_TEXTS = set(
    "id type status subscription timezone website_tracking_status criterion_type industry first_visit_date "
    "last_visit_date started_at date country country_code region region_code city state_code device_type "
    "lead_id title about self next last prev first".split()
)
PERSONAL_NUMBERS = {"lf_client_id", "crm_lead_id", "crm_organization_id", "search_value", "display_value"}
EMAIL = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")


@dataclass(frozen=True)
class Call:
    """One cassette: what the client asks, and what is done to the sandbox where the vendor cannot be asked."""

    ask: Callable[[Api, Account, Days], object]
    trouble: Callable[[Sandbox], object] | None = None
    token: str | None = None


def _pages(endpoint: api.Endpoint) -> Callable[[Api, Account, Days], object]:
    return lambda client, account, days: list(
        client.pages(endpoint, account, days, Meter(), ceiling=endpoint.ceiling, ahead=1)
    )


def _refused(client: Api, account: Account, days: Days) -> None:
    with suppress(AccessError):
        client.accounts(Meter())


CALLS = {
    "accounts": Call(lambda client, account, days: client.accounts(Meter())),
    "custom_feeds": Call(lambda client, account, days: client.custom_feeds(account, Meter())),
    "tracking_script": Call(lambda client, account, days: client.tracking_scripts(account, Meter())),
    "leads": Call(_pages(api.LEADS)),
    "visits": Call(_pages(api.VISITS)),
    "visits_without_links": Call(
        _pages(api.VISITS), trouble=lambda sandbox: setattr(sandbox.leadfeeder_legacy.options, "visit_links", False)
    ),
    "unauthorized": Call(_refused, token=WRONG_TOKEN),
    "rate_limited": Call(
        lambda client, account, days: client.accounts(Meter()),
        trouble=lambda sandbox: sandbox.faults.add("status", status=429),
    ),
}


def open_session(
    token: str,
    clock: Clock,
    base_url: str = api.BASE_URL,
    *,
    auth: Callable[[str], HeaderAuth] = api.auth,
    workers: int = 1,
) -> Session:
    """The client's own session; vcrpy lets requests slip by that begin while another one is being recorded."""
    return Session(
        base_url=base_url,
        auth=auth(token),
        secrets=(token,),
        budget=Budget(api.limit(api.REQUESTS_PER_MINUTE), clock=clock),
        clock=clock,
        read_error=api.read_error,
        workers=workers,
    )


class Scrubber:
    """Replaces what may be personal; equal texts by equal ones, so that a visit's pages still follow one another."""

    def __init__(self, kept: Collection[str] = KEPT_TEXTS, numbers: Collection[str] = PERSONAL_NUMBERS) -> None:
        self._kept, self._personal = kept, numbers
        self._numbers: dict[str, int] = {}

    def __call__(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self(inner, key) for inner in value]
        if isinstance(value, str):
            return EMAIL.sub(self._stand_in, value) if key in self._kept else self._text(value, key)
        if key in self._personal and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._number(str(value))
        return value

    def _text(self, text: str, key: str) -> str:
        if text in ("", "N/A", "(entrance)"):
            return text
        if "@" in text:
            return ",".join(f"user{self._number(part)}@example.com" for part in text.split(","))
        if "://" in text:
            return f"https://www.example.com/{self._number(text)}"
        if text.startswith("/"):
            return f"/{self._number(text)}"
        if text.startswith("+"):
            return f"+1555{self._number(text):07}"
        if re.fullmatch(r"[A-Z]{3} [\d.]+", text):
            return f"{text[:3]} {self._number(text)}000.0"
        return f"{key} {self._number(text)}"

    def _stand_in(self, match: re.Match[str]) -> str:
        return f"user{self._number(match[0])}@example.com"

    def _number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)


def tape(
    base_url: str,
    scrub: Callable[[Any], Any],
    host: str = api.BASE_URL,
    body: Callable[[Any], bytes | None] = lambda sent: None,
    mode: vcr.mode = vcr.mode.ALL,
) -> Any:
    """vcrpy, set to write nothing but what this module's docstring says; `body` is what is kept of a request's."""

    def request(asked: Any) -> Any:
        headers = {name: value for name, value in asked.headers.items() if name.lower() in REQUEST_HEADERS}
        # a version would make every release a change of every cassette
        headers["User-Agent"] = str(headers.get("User-Agent", "")).partition("/")[0]
        return Request(asked.method, host + asked.uri.removeprefix(base_url), body(asked.body), headers)

    def response(answer: dict[str, Any]) -> dict[str, Any]:
        try:
            document = json.loads(answer["body"]["string"].decode().replace(base_url, host))
            said = json.dumps(scrub(document), ensure_ascii=False, separators=(",", ":"))
        except ValueError:
            # a proxy's page, in whatever words
            said = ""
        kept = {name: value for name, value in answer["headers"].items() if name.lower() in RESPONSE_HEADERS}
        return {"status": answer["status"], "headers": kept, "body": {"string": said.encode()}}

    return vcr.VCR(
        record_mode=mode,
        before_record_request=request,
        before_record_response=response,
        decode_compressed_response=True,
    )


def load(path: Path) -> tuple[list[Any], list[Any]]:
    """The requests and the answers of a cassette."""
    asked, answers = FilesystemPersister.load_cassette(path, yamlserializer)
    return asked, answers


def _record(call: Call, path: Path, session: Session, scrub: Callable[[Any], Any], where: tuple[Account, Days]) -> None:
    path.unlink(missing_ok=True)
    with closing(session), tape(session.base_url, scrub).use_cassette(str(path)):
        call.ask(Api(session), *where)


def _from_sandbox(name: str, path: Path) -> None:
    clock = FakeClock()
    day = clock.now().date() - timedelta(days=1)
    world = World(days=3, accounts=2, visits_per_day=6, today=clock.now().date())
    account, days = Account("6001"), Days(day - timedelta(days=1), day)
    if name == "leads":
        days = Days(day, day)
        # three pages, the last one with a single row
        world.crowd_day(account.id, day, 2 * api.PAGE_SIZE + 1)
    call = CALLS[name]
    with Sandbox(world, clock=clock.epoch) as sandbox:
        if call.trouble:
            call.trouble(sandbox)
        token = call.token or sandbox.leadfeeder_legacy.options.token
        session = open_session(token, clock, sandbox.base_urls["leadfeeder_legacy"])
        _record(call, path, session, lambda document: document, (account, days))


def _from_vendor(token: str, folder: Path) -> None:
    clock, scrub = Clock(), Scrubber()
    with closing(open_session(token, clock)) as session:
        listed = Api(session).accounts(Meter())
    premium = [each for each in listed if (each.get("attributes") or {}).get("subscription") == "premium"]
    (account,) = api.parse_accounts((premium or listed)[:1])
    day = today(clock.now(), account.zone) - timedelta(days=1)
    for name, call in CALLS.items():
        if call.trouble is None:
            session = open_session(call.token or token, clock)
            path = folder / f"{name}.yaml"
            _record(call, path, session, scrub, (account, Days(day, day)))
            if token in path.read_text():
                path.unlink()
                raise RuntimeError(f"the vendor's answer to {name} names the token: nothing is kept of it")


def record(folder: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write every cassette into a folder."""
    token = settings.get(SECRET)
    real = bool(token) and not settings.get(ADDRESS)
    for name, call in CALLS.items():
        if call.trouble is not None or not real:
            _from_sandbox(name, folder / f"{name}.yaml")
    if token and real:
        _from_vendor(token, folder)
    return [folder / f"{name}.yaml" for name in CALLS]


def main() -> None:
    """Record the cassettes again, in place."""
    written = record(CASSETTES, os.environ)
    for vendor in OTHERS:
        written += import_module(f"tests.{vendor}.recording").record(CASSETTES.with_name(vendor), os.environ)
    for path in written:
        sys.stdout.write(f"{path.relative_to(Path.cwd())}\n" if path.is_relative_to(Path.cwd()) else f"{path}\n")


if __name__ == "__main__":
    main()
