"""One request over real HTTP: what is tried again, what is not, who waits how long, and where the secret goes."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from sources.budget import Budget, Limit
from sources.errors import (
    AccessError,
    AnswerError,
    LimitError,
    NotEntitledError,
    QuotaError,
    RequestError,
    SettingError,
    SourceError,
    TerminalError,
    TransientError,
)
from sources.keys import HeaderAuth
from sources.meter import Meter
from sources.session import ATTEMPTS, Session, loads
from sources.urls import check_url
from tests.conftest import FakeClock
from tests.sources.scripted import Answer, Server

SECRET = "s3cret-0123456789"
# twenty seconds into a minute: forty are left of it
NOW = datetime(2026, 3, 18, 15, 30, 20, tzinfo=UTC)
GOOD = Answer(body=b'{"data": [1]}')
Open = Callable[..., Session]


def anything(_: Any) -> None:
    """No document is refused."""


def words_of(document: Any) -> str | None:
    return "; ".join(str(error["title"]) for error in document["errors"])


def refusal(status: int, title: str = "the vendor's words") -> Answer:
    return Answer(status, orjson.dumps({"errors": [{"title": title}]}))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def connect(clock: FakeClock) -> Iterator[Open]:
    opened: list[Session] = []

    def connect(url: str, **options: Any) -> Session:
        session = Session(
            base_url=url,
            budget=Budget(Limit(10_000, timedelta(minutes=1)), clock=clock),
            clock=clock,
            read_error=words_of,
            workers=2,
            **{
                "timeout": 5.0,
                "auth": HeaderAuth("Authorization", f"Token token={SECRET}"),
                "secrets": (SECRET,),
                **options,
            },
        )
        opened.append(session)
        return session

    yield connect
    for session in opened:
        session.close()


def ask(session: Session, meter: Meter | None = None, check: Callable[[Any], None] = anything) -> Any:
    return session.get("/accounts", {"page[number]": 2}, meter=meter or Meter(), check=check)


def test_a_request(server: Server, connect: Open, clock: FakeClock) -> None:
    server.answers = [GOOD]
    session, meter = connect(server.url + "/v1/"), Meter()
    assert ask(session, meter) == {"data": [1]}
    (seen,) = server.seen
    assert (seen.path, seen.query) == ("/v1/accounts", {"page[number]": "2"})
    assert seen.headers["Authorization"] == f"Token token={SECRET}"
    assert seen.headers["User-Agent"].startswith("leadhouse")
    assert "gzip" in seen.headers["Accept-Encoding"]
    assert (meter.requests, meter.retries, meter.seconds_waited) == (1, 0, 0)
    assert clock.slept == []


def test_an_answer_is_read_at_once(server: Server, connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """However requests calls the size of what it reads: many small parts are many turns of the interpreter."""
    asked: list[int] = []
    real = requests.Response.iter_content

    def noted(self: requests.Response, size: int = 1, decode_unicode: bool = False) -> Iterator[Any]:
        asked.append(size)
        return real(self, size, decode_unicode)

    monkeypatch.setattr(requests.Response, "iter_content", noted)
    ask(connect(server.url))
    assert asked
    assert min(asked) >= 1 << 20


def test_the_environments_proxy_is_used(
    server: Server, connect: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For what is asked, and for a download unless its host is exempt."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(Answer(body=b"a report")) as files:
        server.answers = [GOOD]
        session = connect("http://127.0.0.3:1/v1")
        ask(session)
        session.download(f"{files.url}/report", tmp_path / "report", meter=Meter())
        assert (tmp_path / "report").read_bytes() == b"a report"
    (seen,) = server.seen
    assert seen.headers["Host"] == "127.0.0.3:1"
    assert seen.headers["Authorization"] == f"Token token={SECRET}"


def test_a_download_may_be_named_by_its_path(server: Server, connect: Open, tmp_path: Path) -> None:
    server.answers = [Answer(body=b"a report")]
    connect(f"{server.url}/v1").download("reports/7.json", tmp_path / "report", meter=Meter())
    assert [(seen.path, seen.headers["Authorization"]) for seen in server.seen] == [
        ("/v1/reports/7.json", f"Token token={SECRET}")
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"a title cut \ud83d", "a title cut \ufffd"),
        (rb"\uDC4D of another", "\ufffd of another"),
        (rb"\ud83d\udc4d and \ud83d", "\U0001f44d and \ufffd"),
    ],
)
def test_half_of_a_character_costs_only_itself(server: Server, connect: Open, written: bytes, read: str) -> None:
    server.answers = [Answer(body=b'{"data": [{"id": 12345678901234567890, "title": "' + written + b'"}]}')]
    assert ask(connect(server.url)) == {"data": [{"id": 12345678901234567890, "title": read}]}
    assert len(server.seen) == 1


def test_a_whole_number_keeps_its_digits() -> None:
    assert loads(b'{"id": 123456789012345678901}') == {"id": 123456789012345678901}


def test_the_budget_is_asked_before_each_request(server: Server, connect: Open, clock: FakeClock) -> None:
    server.answers = [Answer(500), GOOD]
    session, meter = connect(server.url), Meter()
    session.budget = Budget(Limit(1, timedelta(minutes=1)), clock=clock)
    ask(session, meter)
    ask(session, meter)
    assert len(server.seen) == 3
    assert 120 <= sum(clock.slept) <= 123
    assert meter.requests == session.total.requests == 3
    assert meter.seconds_waited == pytest.approx(sum(clock.slept))
    assert session.total.seconds_waited == meter.seconds_waited


TROUBLES = [
    pytest.param(Answer(500), TransientError, id="500"),
    pytest.param(Answer(502, b"<html>"), TransientError, id="502"),
    pytest.param(Answer(503), TransientError, id="503"),
    pytest.param(Answer(408), TransientError, id="408"),
    pytest.param(Answer(trouble="silent"), TransientError, id="no answer"),
    pytest.param(Answer(trouble="cut"), TransientError, id="cut connection"),
    pytest.param(Answer(trouble="short"), TransientError, id="short body"),
    pytest.param(Answer(body=b'{"data": ['), AnswerError, id="half a document"),
    pytest.param(Answer(body=b"<html>", headers={"Content-Type": "text/html"}), AnswerError, id="HTML"),
    pytest.param(Answer(body=b""), AnswerError, id="empty"),
]


class TestOutages:
    @pytest.mark.parametrize(("trouble", "error"), TROUBLES)
    def test_one_passes(self, trouble: Answer, error: type, server: Server, connect: Open, clock: FakeClock) -> None:
        server.answers = [trouble, GOOD]
        meter = Meter()
        assert ask(connect(server.url, timeout=0.1 if trouble.trouble == "silent" else 5.0), meter) == {"data": [1]}
        assert len(server.seen) == 2
        assert (meter.requests, meter.retries) == (2, 1)
        assert meter.seconds_waited == sum(clock.slept) > 0

    @pytest.mark.parametrize(("trouble", "error"), TROUBLES)
    def test_patience_ends(
        self, trouble: Answer, error: type[SourceError], server: Server, connect: Open, clock: FakeClock
    ) -> None:
        server.answers = [trouble]
        meter = Meter()
        with pytest.raises(error, match="/accounts") as raised:
            ask(connect(server.url, timeout=0.05 if trouble.trouble == "silent" else 5.0), meter)
        assert type(raised.value) is error
        assert len(server.seen) == meter.requests == ATTEMPTS == 6
        assert meter.retries == len(clock.slept) == 5
        assert all(early < late for early, late in pairwise(clock.slept))
        assert 15 <= sum(clock.slept) <= 60

    def test_the_vendors_words_are_kept(self, server: Server, connect: Open) -> None:
        server.answers = [refusal(503, "we are moving house")]
        with pytest.raises(TransientError, match=r"answered 503 \(we are moving house\); run again later"):
            ask(connect(server.url))

    def test_nobody_listens(self, connect: Open, clock: FakeClock) -> None:
        with Server() as gone:
            url = gone.url
        with pytest.raises(TransientError, match="could not be read"):
            ask(connect(url))
        assert len(clock.slept) == 5

    def test_a_document_that_is_refused_is_asked_for_again(self, server: Server, connect: Open) -> None:
        server.answers = [Answer(body=b'{"status": "ok"}'), GOOD]

        def check(document: Any) -> None:
            if "data" not in document:
                raise AnswerError("the answer has no data")

        assert ask(connect(server.url), check=check) == {"data": [1]}
        server.answers = [Answer(body=b"[]")]
        server.seen.clear()
        with pytest.raises(AnswerError, match="has no data"):
            ask(connect(server.url), check=check)
        assert len(server.seen) == 6


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, RequestError),
            (401, AccessError),
            (402, NotEntitledError),
            (403, AccessError),
            (404, AccessError),
            (405, RequestError),
            (416, RequestError),
        ],
    )
    def test_they_are_final(
        self, status: int, error: type[SourceError], server: Server, connect: Open, clock: FakeClock
    ) -> None:
        server.answers = [refusal(status)]
        with pytest.raises(error, match=rf"/accounts answered {status} \(the vendor's words\)") as raised:
            ask(connect(server.url))
        assert type(raised.value) is error
        assert getattr(raised.value, "status", status) == status
        assert len(server.seen) == 1
        assert clock.slept == []

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"5", b'{"errors": 5}', b'{"errors": [{}]}', b"null"])
    def test_without_words(self, body: bytes, server: Server, connect: Open) -> None:
        server.answers = [Answer(400, body)]
        with pytest.raises(RequestError, match=r"^/accounts answered 400$"):
            ask(connect(server.url))

    def test_the_key_is_named_as_the_remedy(self, server: Server, connect: Open) -> None:
        server.answers = [refusal(401)]
        with pytest.raises(AccessError, match="check the key"):
            ask(connect(server.url))


def test_a_key_that_was_refused_is_not_shown_again(server: Server, connect: Open, tmp_path: Path) -> None:
    server.answers = [Answer(401), refusal(401), GOOD]
    session = connect(server.url)
    with pytest.raises(AccessError):
        # a download that has expired says nothing of the key
        session.download("r", tmp_path / "report", meter=Meter())
    for _ in range(3):
        with pytest.raises(AccessError, match="answered 401"):
            ask(session)
    assert len(server.seen) == 2


def test_a_quota_that_is_used_up_ends_everything(server: Server, connect: Open) -> None:
    server.answers = [refusal(429), GOOD]
    session = connect(server.url, refusal=lambda status, _: QuotaError("used up") if status == 429 else None)
    for _ in range(3):
        with pytest.raises(QuotaError, match="used up"):
            ask(session)
    assert len(server.seen) == 1


class TestLimits:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            pytest.param({"Retry-After": "7"}, 7, id="seconds"),
            pytest.param({"Retry-After": format_datetime(NOW + timedelta(seconds=25), usegmt=True)}, 25, id="date"),
            pytest.param({"Retry-After": "Wed, 18 Mar 2026 15:30:30 -0000"}, 10, id="date without a zone"),
            pytest.param({"Retry-After": "Wed, 18 Mar 2026 15:00:00 GMT"}, 0.1, id="date that is over"),
            pytest.param({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 33)}, 33, id="reset at an instant"),
            pytest.param({"X-RateLimit-Reset": f"{int(NOW.timestamp()) + 33}000"}, 33, id="reset in milliseconds"),
            pytest.param({"X-RateLimit-Reset": "12"}, 12, id="reset in seconds"),
            pytest.param({"Retry-After": "3", "X-RateLimit-Reset": "12"}, 3, id="both"),
            pytest.param({"Retry-After": "soon", "X-RateLimit-Reset": "12"}, 12, id="one is no number"),
            pytest.param({}, 40.1, id="nothing: the next minute"),
            pytest.param({"Retry-After": "soon", "X-RateLimit-Reset": "later"}, 40.1, id="no number at all"),
        ],
    )
    def test_the_vendor_says_how_long(
        self, headers: dict[str, str], seconds: float, server: Server, connect: Open, clock: FakeClock
    ) -> None:
        server.answers = [Answer(429, headers=headers), GOOD]
        meter = Meter()
        assert ask(connect(server.url), meter) == {"data": [1]}
        assert sum(clock.slept) == pytest.approx(seconds, abs=0.01)
        assert (meter.requests, meter.retries) == (2, 1)
        assert meter.seconds_waited == pytest.approx(seconds, abs=0.01)

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"}, 12),
            ({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "12"}, 0),
            ({"X-RateLimit-Remaining": "0"}, 0),
        ],
    )
    def test_what_is_left_is_heeded_before_there_is_a_refusal(
        self, headers: dict[str, str], seconds: float, server: Server, connect: Open, clock: FakeClock
    ) -> None:
        server.answers = [Answer(200, GOOD.body, headers), GOOD]
        session = connect(server.url)
        ask(session)
        ask(session)
        assert sum(clock.slept) == pytest.approx(seconds, abs=0.01)

    def test_nothing_left_for_longer_than_the_run_may_wait(
        self, server: Server, connect: Open, clock: FakeClock
    ) -> None:
        server.answers = [
            Answer(200, GOOD.body, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "86400"}),
            GOOD,
        ]
        session = connect(server.url, max_wait=timedelta(minutes=10))
        ask(session)
        with pytest.raises(LimitError, match="another 86400 s"):
            ask(session)
        assert (len(server.seen), clock.slept) == (1, [])

    def test_a_limit_of_seconds_turns_with_the_second(self, server: Server, connect: Open, clock: FakeClock) -> None:
        clock.move(timedelta(seconds=0.25))
        server.answers = [Answer(429), GOOD]
        ask(connect(server.url, turn=timedelta(seconds=1)))
        assert sum(clock.slept) == pytest.approx(0.85, abs=0.01)

    def test_more_often_than_an_outage_would_be_tried(self, server: Server, connect: Open, clock: FakeClock) -> None:
        server.answers = [*[Answer(429, headers={"Retry-After": "60"})] * 20, GOOD]
        assert ask(connect(server.url)) == {"data": [1]}
        assert sum(clock.slept) == pytest.approx(20 * 60, abs=0.1)

    def test_at_once_is_believed_ever_less(self, server: Server, connect: Open, clock: FakeClock) -> None:
        server.answers = [*[Answer(429, headers={"Retry-After": "0"})] * 12, GOOD]
        ask(connect(server.url))
        assert clock.slept == sorted(clock.slept)
        assert clock.slept[0] == pytest.approx(0.1)
        assert clock.slept[-1] == pytest.approx(60)

    def test_longer_than_the_run_may_wait(self, server: Server, connect: Open, clock: FakeClock) -> None:
        server.answers = [Answer(429, headers={"Retry-After": "601"})]
        with pytest.raises(LimitError, match="--max-wait"):
            ask(connect(server.url, max_wait=timedelta(minutes=10)))
        assert len(server.seen) == 1
        assert clock.slept == []

    def test_a_download_that_is_put_off_for_longer(
        self, server: Server, connect: Open, clock: FakeClock, tmp_path: Path
    ) -> None:
        server.answers = [Answer(429, headers={"Retry-After": "400"})]
        with pytest.raises(LimitError, match="--max-wait"):
            connect(server.url, max_wait=timedelta(minutes=10)).download("r", tmp_path / "report", meter=Meter())
        assert sum(clock.slept) == pytest.approx(400, abs=0.1)

    def test_many_short_waits_add_up(self, server: Server, connect: Open, clock: FakeClock) -> None:
        server.answers = [Answer(429, headers={"Retry-After": "100"})]
        with pytest.raises(LimitError):
            ask(connect(server.url, max_wait=timedelta(minutes=10)))
        assert len(server.seen) == 7
        assert sum(clock.slept) == pytest.approx(600, abs=0.1)

    def test_everyone_waits(self, server: Server, connect: Open, clock: FakeClock) -> None:
        server.answers = [Answer(429, headers={"Retry-After": "601"}), GOOD]
        session = connect(server.url)
        session.budget.hold(30)
        ask(session)
        assert sum(clock.slept) == pytest.approx(631, abs=0.01)


class TestRedirects:
    def test_on_the_same_host_it_is_followed(self, server: Server, connect: Open) -> None:
        server.answers = [
            Answer(301, headers={"Location": "/elsewhere?x=1"}),
            Answer(307, headers={"Location": "here"}),
        ]
        server.answers.append(GOOD)
        assert ask(connect(server.url)) == {"data": [1]}
        assert [seen.path for seen in server.seen] == ["/accounts", "/elsewhere", "/here"]
        assert [seen.query for seen in server.seen] == [{"page[number]": "2"}, {"x": "1"}, {}]
        assert all(seen.headers["Authorization"].endswith(SECRET) for seen in server.seen)

    def test_another_host_is_not_even_asked(self, server: Server, connect: Open) -> None:
        with Server() as other:
            for location in (other.url + "/accounts", other.url.removeprefix("http:")):
                server.answers = [Answer(302, headers={"Location": location})]
                server.seen.clear()
                with pytest.raises(TerminalError, match="redirects to another host"):
                    ask(connect(server.url))
                assert len(server.seen) == 1
            assert other.seen == []

    def test_another_scheme_is_another_host(self, server: Server, connect: Open) -> None:
        server.answers = [Answer(302, headers={"Location": server.url.replace("http:", "https:")})]
        with pytest.raises(TerminalError, match="redirects to another host"):
            ask(connect(server.url))

    def test_a_circle(self, server: Server, connect: Open) -> None:
        server.answers = [Answer(302, headers={"Location": "/accounts"})]
        with pytest.raises(TerminalError, match="redirects in a loop"):
            ask(connect(server.url))
        assert len(server.seen) == 5

    def test_nowhere(self, server: Server, connect: Open) -> None:
        server.answers = [Answer(302, headers={"Location": "http://[half"})]
        with pytest.raises(SourceError, match="/accounts"):
            ask(connect(server.url))


class TestSecret:
    @pytest.mark.parametrize("padding", [0, 290])
    @pytest.mark.parametrize(
        "answer",
        [
            lambda echo: refusal(400, echo),
            lambda echo: refusal(401, echo),
            lambda echo: refusal(403, echo),
            lambda echo: refusal(503, echo),
            lambda echo: Answer(302, headers={"Location": f"http://{echo}.example.com/"}),
            lambda echo: Answer(body=b"<html>", headers={"Content-Type": echo}),
        ],
    )
    def test_an_echo_is_not_repeated(
        self,
        answer: Callable[[str], Answer],
        padding: int,
        server: Server,
        connect: Open,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.answers = [answer("x" * padding + SECRET)]
        with pytest.raises(SourceError) as raised:
            ask(connect(server.url))
        assert SECRET[:8] not in str(raised.value)
        assert SECRET[:8] not in repr(raised.value)
        assert SECRET[:8] not in caplog.text

    @pytest.mark.parametrize(("secret", "kept"), [(SECRET, "/why/***"), ("pricing", "/why/pricing")])
    def test_what_a_vendor_says_back_is_no_data_but_a_word_is(
        self, secret: str, kept: str, server: Server, connect: Open
    ) -> None:
        # whatever else is in the answer
        server.answers = [Answer(body=b'{"data": [{"page": "/why/%s", "id": %d}]}' % (secret.encode(), 10**30))]
        session = connect(server.url, auth=HeaderAuth("X-Api-Key", secret), secrets=(secret,))
        assert ask(session)["data"] == [{"page": kept, "id": 10**30}]

    @pytest.mark.parametrize("trouble", ["cut", "short", "silent"])
    def test_nor_told_by_a_lost_connection(
        self, trouble: Any, server: Server, connect: Open, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.answers = [Answer(trouble=trouble)]
        with pytest.raises(TransientError) as raised:
            ask(connect(server.url, timeout=0.05))
        assert SECRET not in str(raised.value) + caplog.text

    @pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\r\n", f"{SECRET}’", f"{SECRET}\x00"])
    def test_one_that_no_header_can_carry(self, value: str) -> None:
        with pytest.raises(SettingError, match="key") as raised:
            HeaderAuth("Authorization", f"Token token={value}")
        assert SECRET not in str(raised.value)

    def test_redact(self, connect: Open) -> None:
        assert connect("http://localhost").redact(f"a {SECRET} b {SECRET}") == "a *** b ***"


class TestUrl:
    @pytest.mark.parametrize("url", ["https://api.example.com", "http://127.0.0.1:8080/some/prefix"])
    def test_good(self, url: str) -> None:
        assert check_url("sources.x.base_url", url) == url

    @pytest.mark.parametrize("url", ["", "api.example.com", "ftp://example.com", "https://", "/v1", "http://[half"])
    def test_bad(self, url: str) -> None:
        with pytest.raises(SettingError, match=r"sources\.x\.base_url is"):
            check_url("sources.x.base_url", url)
