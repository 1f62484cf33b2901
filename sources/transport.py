"""Requests on their way: made ready once for each address, sent over connections that are kept, answers read whole.

What an answer or an error means, and how often something may be asked, is the session's.
"""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

# addresses whose requests are kept prepared
ADDRESSES = 64
# whoever uses requests in this process reads an answer at once: in parts of 10 kB, as it would, threads hand the
# interpreter to each other a dozen times a page
requests.models.CONTENT_CHUNK_SIZE = 1 << 20


def user_agent() -> str:
    """The application's name and version, as the vendors ask for."""
    try:
        return f"leadhouse/{version('leadhouse')}"
    except PackageNotFoundError:
        return "leadhouse"


class Transport:
    """What a `requests.Session` would do for one host, without cookies, hooks and redirects.

    `timeout` is how many seconds a connection and an answer may take, `connections` how many are kept.
    """

    def __init__(self, base_url: str, auth: AuthBase | None, timeout: tuple[float, float], connections: int) -> None:
        self._base_url = base_url
        self._auth = auth
        self._timeout = timeout
        self._connections = connections
        self._without_parameters = lru_cache(ADDRESSES)(self._prepare)

    def send(self, request: requests.Request) -> requests.Response:
        """The answer, read to its end; raises what requests raises."""
        response = self._adapter.send(self._prepared(request), timeout=self._timeout, **self._environment)
        response.content  # noqa: B018 — it is read here, where its errors are expected
        return response

    def close(self) -> None:
        """Let go of the connections."""
        self._adapter.close()

    @cached_property
    def _adapter(self) -> HTTPAdapter:
        return HTTPAdapter(pool_maxsize=self._connections, max_retries=0)

    @cached_property
    def _environment(self) -> dict[str, Any]:
        """What the environment says of proxies and certificates: worked out once, not with every request."""
        with requests.Session() as http:
            found = dict(http.merge_environment_settings(self._base_url, {}, None, None, None))
        # without encryption nothing is verified; a path of certificates would be looked at for each request
        return found if self._base_url.startswith("https:") else found | {"verify": True}

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        return {**requests.utils.default_headers(), "User-Agent": user_agent()}

    def _prepared(self, request: requests.Request) -> requests.PreparedRequest:
        if request.method != "GET":
            prepared = requests.PreparedRequest()
            prepared.prepare(
                request.method,
                request.url,
                self._headers,
                data=request.data,
                params=request.params,
                auth=self._auth,
                json=request.json,
            )
            return prepared
        prepared = self._without_parameters(request.method, request.url).copy()
        if request.params:
            prepared.url = f"{prepared.url}?{urlencode(request.params)}"
        if self._auth:
            prepared.prepare_auth(self._auth)
        return prepared

    def _prepare(self, method: str, url: str) -> requests.PreparedRequest:
        """What all requests of an address have in common; to prepare each of them costs half as much as to send it."""
        prepared = requests.PreparedRequest()
        prepared.prepare(method, url, self._headers)
        return prepared
