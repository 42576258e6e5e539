"""HTTP to Weave for one project: authentication, retries around request, read and parse, one shared rate limit.

Whatever goes wrong comes out as an `ApiError` of `errors.py`. The key is in no message: requests are named by
method, path and what the caller says they are for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.exceptions import RequestException

from ..errors import TooHeavyError, UnreadableBodyError
from .bodies import Parsed, StreamParser, WholeBody
from .http_errors import asked_pause, no_certificates, reason_in, refusal, transport_failure, unreadable, web_page
from .limiter import RateLimiter
from .retries import Patience, retrying
from .server_clock import ServerClock
from .traffic import Traffic

if TYPE_CHECKING:
    from typing_extensions import Self

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class _Request:
    what: str
    method: str
    path: str
    options: dict[str, Any]
    max_bytes: int | None = None
    has_alternative: bool = False


class WeaveClient:
    """Weave's API for one project. As a context manager it closes its connections at the end."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        project_id: str,
        *,
        limiter: RateLimiter,
        parallelism: int = 16,
        patience: Patience | None = None,
    ):
        self.base_url = _without_credentials(base_url.rstrip("/"))
        self.project_id = project_id
        self.traffic = Traffic()
        self.clock = ServerClock()
        self._limiter = limiter
        self._patience = patience or Patience()
        self._auth = HTTPBasicAuth("api", api_key)
        self._session = _session(self._auth, connections=parallelism + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. A later request opens new ones."""
        self._session.close()

    def v2_path(self, route: str) -> str:
        """Path of a route of the v2 API for this project."""
        entity, _, project = self.project_id.partition("/")
        return f"/v2/{quote(entity, safe='')}/{quote(project, safe='')}/{route}"

    def post(
        self,
        path: str,
        body: dict[str, Any],
        parse: Callable[[bytes], Parsed],
        *,
        purpose: str,
        max_bytes: int | None = None,
        has_alternative: bool = False,
    ) -> Parsed:
        """Posts `body` as JSON and returns what `parse` makes of the answer.

        `purpose` says in a few words what is asked for; it is part of every error. An answer of more than
        `max_bytes` is given up with `TooHeavyError`. A server error that may come every time is given up early if
        the caller `has_alternative`.
        """
        make = partial(WholeBody, parse)
        return self.stream(path, body, make, purpose=purpose, max_bytes=max_bytes, has_alternative=has_alternative)

    def stream(
        self,
        path: str,
        body: dict[str, Any],
        make_parser: Callable[[], StreamParser[Parsed]],
        *,
        purpose: str,
        max_bytes: int | None = None,
        has_alternative: bool = False,
    ) -> Parsed:
        """Like `post`, for an answer that is parsed as it comes; each attempt has a parser of its own."""
        options = {"data": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}
        what = self._what(purpose, "POST", path)
        return self._retried(_Request(what, "POST", path, options, max_bytes, has_alternative), make_parser)

    def get(
        self,
        path: str,
        parse: Callable[[bytes], Parsed],
        *,
        purpose: str,
        params: list[tuple[str, str]] | None = None,
    ) -> Parsed:
        """Gets `path` and returns what `parse` makes of the answer. `params` may repeat a name."""
        what = self._what(purpose, "GET", path)
        return self._retried(_Request(what, "GET", path, {"params": params}), partial(WholeBody, parse))

    def _what(self, purpose: str, method: str, path: str) -> str:
        return f"{purpose} of {self.project_id} ({method} {path})"

    def _retried(self, request: _Request, make_parser: Callable[[], StreamParser[Parsed]]) -> Parsed:
        attempts = retrying(
            self._patience,
            is_bounded=request.max_bytes is not None,
            has_alternative=request.has_alternative,
            on_retry=partial(self.traffic.add, retries=1),
        )
        parsed: Parsed = attempts(self._attempt, request, make_parser)
        return parsed

    def _attempt(self, request: _Request, make_parser: Callable[[], StreamParser[Parsed]]) -> Parsed:
        self._limiter.acquire()
        self.traffic.add(requests=1)
        try:
            parsed = self._exchange(request, make_parser())
        except RequestException as error:
            raise transport_failure(request.what, self.base_url, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, UnreadableBodyError) as error:
            raise unreadable(request.what, error) from None
        except OSError as error:  # of requests itself, which looks for the file
            raise no_certificates(request.what, error) from None
        self._limiter.succeeded()
        return parsed

    def _exchange(self, request: _Request, parser: StreamParser[Parsed]) -> Parsed:
        timeout = (self._patience.connect_timeout, self._patience.read_timeout)
        url = self.base_url + request.path
        with self._session.request(
            request.method, url, timeout=timeout, stream=True, allow_redirects=False, **request.options
        ) as response:
            self.clock.hear(response.headers.get("Date"))
            if response.status_code != 200:
                self._refuse(request, response)
            if "html" in response.headers.get("Content-Type", ""):
                raise web_page(request.what, self.base_url)
            return self._parsed(request, response, parser)

    def _refuse(self, request: _Request, response: requests.Response) -> NoReturn:
        body = self._parsed(request, response, WholeBody(bytes))
        pause = asked_pause(response)
        if pause is not None:
            self.traffic.add(throttled=1)
            self._limiter.refused(pause)
        raise refusal(request.what, self.base_url, response, reason_in(body, str(self._auth.password)))

    def _parsed(self, request: _Request, response: requests.Response, parser: StreamParser[Parsed]) -> Parsed:
        what, max_bytes, seconds = request.what, request.max_bytes, self._patience.response_timeout
        deadline = time.monotonic() + seconds
        size = 0
        for chunk in response.iter_content(_CHUNK_BYTES):
            size += len(chunk)
            if max_bytes is not None and size > max_bytes:
                raise TooHeavyError(f"{what} was given up: the answer is larger than {max_bytes} bytes.", 200)
            if time.monotonic() > deadline:
                raise TooHeavyError(f"{what} was given up: the answer took longer than {seconds:.0f} s.", 200)
            parser.feed(chunk)
        self.traffic.add(bytes_received=size)
        return parser.close()


def _session(auth: HTTPBasicAuth, connections: int) -> requests.Session:
    session = requests.Session()
    session.auth = auth
    session.verify = os.environ.get("SSL_CERT_FILE") or True  # requests itself knows the other two variables
    session.headers.update({"Accept": "*/*", "User-Agent": "weave-eval"})
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url
