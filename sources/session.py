"""One request, well made: key, budget, time-out, retries, redaction, host pinned."""

import itertools
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import orjson
import requests
import tenacity
from requests.auth import AuthBase

from .budget import Budget, too_long
from .clock import Clock
from .columns import as_json
from .computing import TURN
from .errors import (
    AccessError,
    AnswerError,
    LimitError,
    NotEntitledError,
    QuotaError,
    RequestError,
    SourceError,
    TerminalError,
    TransientError,
)
from .keys import Secrets, no_auth
from .meter import Meter
from .pauses import left_of_window, pause_after
from .transport import Transport, user_agent
from .urls import check_target

log = logging.getLogger(__name__)

ATTEMPTS = 6
REDIRECTS = 5
HALF = re.compile("[\ud800-\udfff]")


class NotNowError(TransientError):
    """The vendor's limit for requests of one kind is reached; it may be sent again after `pause` seconds."""

    def __init__(self, message: str, pause: float) -> None:
        super().__init__(message)
        self.pause = pause


class UnclearError(TransientError):
    """Nobody knows whether the vendor took a request that must not be sent twice."""


class Session:
    """Everything a vendor is asked goes through one of these.

    `read_error` tells the vendor's words from an error body (parsed JSON). `refusal` is the error that status and body
    stand for, where that is not what the status says by itself. `turn` is how often the vendor's limit is new.
    `workers` is how many answers may be waited for at once; it bounds memory and never the rate, which is the budget's.
    """

    def __init__(
        self,
        *,
        base_url: str,
        auth: AuthBase | None,
        secrets: tuple[str, ...],
        budget: Budget,
        clock: Clock,
        read_error: Callable[[Any], str | None],
        refusal: Callable[[int, Any], SourceError | None] | None = None,
        max_wait: timedelta = timedelta(hours=1),
        turn: timedelta = timedelta(minutes=1),
        timeout: float = 60.0,
        workers: int = 8,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._host = urlsplit(self.base_url)[:2]
        self._auth = auth
        self._secrets = Secrets(secrets)
        self._clock = clock
        self._read_error = read_error
        self._refusal = refusal
        self._max_wait = max_wait.total_seconds()
        self._turn = turn
        self._timeout = (min(timeout, 10.0), timeout)
        self._transport = Transport(self.base_url, auth, self._timeout, 4 * workers)
        self.workers = workers
        self.budget = budget
        self.total = Meter()
        self._windows = 0
        # what everything else would be answered with, too
        self._refused: AccessError | QuotaError | None = None
        self._lock = threading.Lock()

    @contextmanager
    def window(self) -> Iterator[None]:
        """While a window is being read: it shares the workers with the others."""
        with self._lock:
            self._windows += 1
        try:
            yield
        finally:
            with self._lock:
                self._windows -= 1

    @property
    def ahead(self) -> int:
        """How many pages of one window may be read side by side.

        Twice its share of the workers: of a window that begins, one page is asked for, and others take its share.
        """
        return max(2 * self.workers // max(self._windows, 1), 2)

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """Threads that do nothing but wait for answers."""
        return ThreadPoolExecutor(self.workers, thread_name_prefix="request")

    @cached_property
    def aside(self) -> ThreadPoolExecutor:
        """A thread for what is not to wait behind pages: these may all be waiting for their turn."""
        return ThreadPoolExecutor(1, thread_name_prefix="aside")

    def close(self) -> None:
        """Let go of threads and connections; waits for no answer of the vendor's."""
        for pool in (self.pool, self.aside):
            pool.shutdown(wait=False, cancel_futures=True)
        self._transport.close()
        self.budget.close()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        meter: Meter,
        check: Callable[[Any], None],
        read: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """GET a JSON document; `read` is how, where it is not as Python's objects.

        `check` raises AnswerError where the document is not what the vendor documents; like an outage, that is tried
        again. Raises AccessError, NotEntitledError, RequestError, QuotaError or, when patience is over, TransientError.
        """
        return self._ask("GET", path, params, None, meter, check, read)

    def query(
        self,
        path: str,
        question: Mapping[str, Any],
        params: Mapping[str, str | int] | None = None,
        *,
        meter: Meter,
        check: Callable[[Any], None],
    ) -> Any:
        """POST a JSON question that changes nothing at the vendor: as safe to repeat as `get`."""
        return self._ask("POST", path, params, question, meter, check)

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        question: Mapping[str, Any] | None,
        meter: Meter,
        check: Callable[[Any], None],
        read: Callable[[bytes], Any] | None = None,
    ) -> Any:
        def once() -> Any:
            document = self._json(self._send(method, path, params, meter, question=question), path, read)
            check(document)
            return document

        def before_sleep(state: tenacity.RetryCallState) -> None:
            pause = state.next_action.sleep if state.next_action else 0.0
            meter.add(retries=1, seconds_waited=pause)
            self.total.add(retries=1, seconds_waited=pause)
            error = state.outcome.exception() if state.outcome else None
            log.info("%s; trying again in %.1f s", getattr(error, "message", error), pause)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=tenacity.wait_exponential(multiplier=0.5, max=30) + tenacity.wait_random(0, 0.5),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            sleep=self._clock.sleep,
            before_sleep=before_sleep,
            reraise=True,
        )
        return retrying(once)

    def post(self, path: str, form: Mapping[str, str], *, meter: Meter) -> Any:
        """POST a form once and return the JSON answer.

        Raises NotNowError where a limit kept the vendor from taking it, and UnclearError where nobody knows whether the
        vendor took it; neither is sent again from here.
        """
        try:
            return self._json(self._send("POST", path, None, meter, form=form), path)
        except NotNowError:
            raise
        except TransientError as error:
            raise UnclearError(error.message) from None

    def download(self, url: str, target: Path, *, meter: Meter) -> None:
        """Stream what stands at a URL into a file; a body that is cut short raises TransientError.

        A relative URL is one of the API's. The key goes along to our own host only. Raises TerminalError for a URL that
        is not http(s), or that points into a private network while the API itself is not in one.
        """
        url, limited = urljoin(f"{self.base_url}/", url), 0.0
        for _ in range(REDIRECTS):
            check_target(url, self.base_url)
            self._count(meter)
            ours = urlsplit(url)[:2] == self._host
            try:
                # a session of its own: another host may have another proxy
                with (
                    requests.Session() as http,
                    http.get(
                        url,
                        headers={"User-Agent": user_agent()},
                        auth=self._auth if ours and self._auth else no_auth,
                        timeout=self._timeout,
                        allow_redirects=False,
                        stream=True,
                    ) as response,
                ):
                    if response.is_redirect:
                        url = urljoin(url, response.headers["Location"])
                        continue
                    if response.status_code == 429:
                        limited = self._hold("the download", self._pause(response), limited)
                        continue
                    self._raise_for_status(response, urlsplit(url).path)
                    with target.open("wb") as file:
                        for chunk in response.iter_content(1 << 20):
                            file.write(chunk)
                    return
            except (requests.exceptions.RequestException, ValueError) as error:
                # a download URL may carry a signature: it stays out of the message
                raise TransientError(f"the download could not be read ({type(error).__name__})") from None
        raise TransientError(f"the download was put off {REDIRECTS} times, by redirects or the rate limit")

    def _count(self, meter: Meter) -> None:
        """Take one request from the budget.

        Raises AccessError where the key has been refused already, QuotaError where its quota is used up, LimitError
        where the vendor says that its turn is too far off.
        """
        self._check_refused()
        if (pause := self.budget.told) > self._max_wait:
            raise too_long(pause)
        waited = self.budget.acquire()
        # somebody else may have been told meanwhile
        self._check_refused()
        for each in (meter, self.total):
            each.add(requests=1, seconds_waited=waited)

    def _check_refused(self) -> None:
        refused = self._refused
        if isinstance(refused, QuotaError):
            raise QuotaError(refused.message, remedy=refused.remedy)
        if refused is not None:
            raise AccessError(refused.message, status=refused.status, remedy=refused.remedy)

    def redact(self, text: str) -> str:
        """The text without any of our secrets."""
        return self._secrets.redact(text)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        meter: Meter,
        *,
        form: Mapping[str, str] | None = None,
        question: Mapping[str, Any] | None = None,
    ) -> requests.Response:
        """Send one request within the budget; a limit is waited for, everything else is the caller's to retry.

        A `form` changes something at the vendor, a `question` (JSON) does not.
        """
        request = requests.Request(method, self.base_url + path, params=params, data=form, json=question)
        limited = 0.0
        for refusals in itertools.count():
            self._count(meter)
            response = self._follow(request, path)
            self._heed(response)
            try:
                self._raise_for_status(response, path)
            except (AccessError, QuotaError) as error:
                if isinstance(error, QuotaError) or error.status == 401:
                    self._refused = error
                raise
            if response.status_code != 429:
                return response
            # a vendor that keeps saying "at once" is asked ever more rarely
            pause = max(self._pause(response), min(0.1 * 2**refusals, 60.0))
            meter.add(retries=1)
            self.total.add(retries=1)
            if form is not None:
                raise NotNowError(f"{path} answered 429", pause)
            limited = self._hold(path, pause, limited)
        raise AssertionError("unreachable")

    def _hold(self, path: str, pause: float, before: float) -> float:
        """Have nothing be asked for `pause` seconds; returns them with those `before`, or raises LimitError."""
        if before + pause > self._max_wait:
            raise LimitError(
                f"{path} is over the vendor's rate limit for another {pause:.0f} s, longer than this run may wait",
                remedy="run again later, or allow more with --max-wait",
            )
        log.info("%s answered 429; nothing is asked for %.1f s", path, pause)
        self.budget.hold(pause)
        return before + pause

    def _follow(self, request: requests.Request, path: str) -> requests.Response:
        """Send; follow redirects on our own host only, so that the secret goes nowhere else."""
        for _ in range(REDIRECTS):
            try:
                response = self._transport.send(request)
                target = urljoin(request.url, response.headers["Location"]) if response.is_redirect else None
            except requests.exceptions.SSLError as error:
                raise TerminalError(
                    self.redact(f"{self.base_url} has no valid certificate ({error})"), remedy="check base_url"
                ) from None
            except requests.exceptions.Timeout:
                raise TransientError(
                    f"{path} gave no answer within {self._timeout[1]:g} s",
                    remedy="run again later, or allow more with request_timeout",
                ) from None
            except (requests.exceptions.RequestException, ValueError) as error:
                # ValueError: a redirect to what is no URL
                raise TransientError(
                    self.redact(f"{path} could not be read ({error})"),
                    remedy="check the network and base_url, or run again later",
                ) from None
            if target is None:
                return response
            if urlsplit(target)[:2] != self._host:
                host = urlsplit(target).netloc
                raise TerminalError(
                    self.redact(f"{path} redirects to another host ({host}), which would get the key"),
                    remedy="check base_url",
                )
            if request.method != "GET":
                raise TerminalError(f"{path} redirects a request that must not be sent twice", remedy="check base_url")
            request = requests.Request("GET", target)
        raise TerminalError(f"{path} redirects in a loop", remedy="check base_url")

    def _raise_for_status(self, response: requests.Response, path: str) -> None:
        """A 429 that is no refusal passes: it is waited for."""
        status = response.status_code
        if status < 400:
            return
        if (refusal := self._refusal_of(response)) is not None:
            raise refusal
        if status == 429:
            return
        words = self._words(response)
        text = f"{path} answered {status}" + (f" ({words})" if words else "")
        if status >= 500 or status == 408:
            raise TransientError(text)
        if status == 401:
            raise AccessError(text, status=status, remedy="check the key")
        if status == 402:
            raise NotEntitledError(text)
        if status in (403, 404):
            raise AccessError(text, status=status, remedy="check what this key may see")
        raise RequestError(text, status=status)

    def _words(self, response: requests.Response) -> str | None:
        try:
            words = self._read_error(orjson.loads(response.content))
        except (orjson.JSONDecodeError, AttributeError, KeyError, IndexError, TypeError):
            return None
        return self.redact(words)[:300] if words else None

    def _refusal_of(self, response: requests.Response) -> SourceError | None:
        if self._refusal is None:
            return None
        try:
            error = self._refusal(response.status_code, orjson.loads(response.content))
        except (orjson.JSONDecodeError, AttributeError, KeyError, IndexError, TypeError):
            return None
        if error is not None:
            error.message = self.redact(error.message)[:300]
        return error

    def _heed(self, response: requests.Response) -> None:
        """Lower the budget to what the answer says is left of it."""
        if (left := left_of_window(response, self._clock.now())) is not None:
            self.budget.lower(*left)

    def _pause(self, response: requests.Response) -> float:
        return pause_after(response, self._clock.now(), self._turn)

    def _json(self, response: requests.Response, path: str, read: Callable[[bytes], Any] | None = None) -> Any:
        content = response.content
        try:
            if self._secrets.are_in(content):
                content = as_json(self._secrets.taken_out(loads(content))).encode()
            return (read or loads)(content)
        except (ValueError, RecursionError):
            kind = self.redact(response.headers.get("Content-Type", "no content type"))[:100]
            raise AnswerError(
                f"{path} answered {response.status_code}, but not with JSON ({kind})",
                remedy="check base_url, or run again later",
            ) from None


def loads(content: bytes) -> Any:
    """JSON, with whole numbers of any size; raises ValueError where it is none.

    Half of a UTF-16 pair in a text, which JSON lets pass and strict readers do not, is read as U+FFFD.
    """
    with TURN, suppress(msgspec.DecodeError):
        return msgspec.json.decode(content)
    if rb"\ud" not in content.lower():
        return orjson.loads(content)
    text = json.dumps(json.loads(content), ensure_ascii=False)
    return orjson.loads(HALF.sub("\ufffd", text))


def _passes(error: BaseException) -> bool:
    return isinstance(error, TransientError) and not isinstance(error, LimitError)
