"""HTTP to Weave for one project: authentication, retries around request, read and parse, one shared rate limit.

Whatever goes wrong comes out as an `ApiError` of `errors.py`. The key is in no message: requests are named by
method, path and what the caller says they are for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import msgspec
import requests
from requests.auth import HTTPBasicAuth
from requests.exceptions import RequestException
from tenacity import RetryCallState

from ..errors import TooHeavyError, TransientApiError, UnreadableBodyError
from .bodies import Parsed, StreamParser, WholeBody
from .connections import CuttableAdapter, answered_by
from .http_errors import asked_pause, no_certificates, reason_in, refusal, transport_failure, unreadable, web_page
from .limiter import RateLimiter
from .retries import Patience, retrying
from .server_clock import ServerClock
from .traffic import Traffic

if TYPE_CHECKING:
    from typing_extensions import Self

_CHUNK_BYTES = 1 << 18
_LONG_WAIT = 30.0
"""Seconds of waiting from which it is told, and between two such messages."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Request:
    what: str
    method: str
    path: str
    options: dict[str, Any]
    max_bytes: int | None = None
    has_alternative: bool = False


@dataclass(frozen=True)
class _Tries:
    """The attempts at one request: the moment (monotonic) at which the budget is used up, and whether they ended."""

    until: float
    ended: threading.Event


class WeaveClient:
    """Weave's API for one project. As a context manager it ends what is under way when it is left."""

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
        self._adapter = CuttableAdapter(parallelism + 1)
        self._session = _session(self._auth, self._adapter)
        self._ended = threading.Event()
        self._told_at = -_LONG_WAIT

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections: requests under way fail at once, and are not made again. Later ones open new ones."""
        self._ended.set()
        self._ended = threading.Event()
        self._adapter.cut()
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
        tries = _Tries(time.monotonic() + self._patience.retry_budget, self._ended)
        attempts = retrying(
            self._patience,
            is_bounded=request.max_bytes is not None,
            has_alternative=request.has_alternative,
            on_retry=self._note_retry,
            ended=tries.ended,
        )
        parsed: Parsed = attempts(self._attempt, request, make_parser, tries)
        return parsed

    def _note_retry(self, state: RetryCallState) -> None:
        self.traffic.add(retries=1)
        if state.outcome and (state.seconds_since_start or 0.0) >= _LONG_WAIT:
            budget = self._patience.retry_budget
            self._tell(f"{state.outcome.exception()} It is tried again for up to {budget:.0f} s.")

    def _tell(self, text: str) -> None:
        """Logs a reason for a long wait, unless one was logged a moment ago: many threads have the same."""
        if time.monotonic() - self._told_at >= _LONG_WAIT:
            self._told_at = time.monotonic()
            _LOG.warning(text)

    def _attempt(self, request: _Request, make_parser: Callable[[], StreamParser[Parsed]], tries: _Tries) -> Parsed:
        self._limiter.acquire(tries.ended.wait)
        if tries.ended.is_set():
            raise TransientApiError(f"{request.what} was given up: the client was closed.")
        self.traffic.add(requests=1)
        try:
            parsed = self._exchange(request, make_parser(), tries)
        except RequestException as error:
            raise transport_failure(request.what, self.base_url, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, UnreadableBodyError) as error:
            raise unreadable(request.what, error) from None
        except OSError as error:  # of requests itself, which looks for the file
            raise no_certificates(request.what, error) from None
        self._limiter.succeeded()
        return parsed

    def _exchange(self, request: _Request, parser: StreamParser[Parsed], tries: _Tries) -> Parsed:
        timeout = (self._patience.connect_timeout, self._patience.read_timeout)
        deadline = time.monotonic() + self._patience.response_timeout
        url = self.base_url + request.path
        with (
            answered_by(deadline),
            self._session.request(
                request.method, url, timeout=timeout, stream=True, allow_redirects=False, **request.options
            ) as response,
        ):
            self.clock.hear(response.headers.get("Date"))
            if response.status_code != 200:
                self._refuse(request, response, tries)
            if "html" in response.headers.get("Content-Type", ""):
                raise web_page(request.what, self.base_url)
            try:
                return self._parsed(request, response, parser)
            except RequestException:
                if time.monotonic() < deadline:
                    raise
                words = f"was given up: the answer took longer than {self._patience.response_timeout:.0f} s."
                raise TooHeavyError(f"{request.what} {words}", 200) from None

    def _refuse(self, request: _Request, response: requests.Response, tries: _Tries) -> NoReturn:
        body = self._parsed(request, response, WholeBody(bytes))
        pause = asked_pause(response)
        error = refusal(request.what, self.base_url, response, reason_in(body, str(self._auth.password)))
        if pause is None:
            raise error
        self.traffic.add(throttled=1)
        if isinstance(error, TransientApiError) and time.monotonic() + pause >= tries.until:
            error = type(error)(
                f"{error} The API asks to be left alone for {pause:.0f} s, which is more than is left of "
                f"retry_budget_seconds ({self._patience.retry_budget:.0f}). Load again after that.",
                error.status,
            )
            error.pause = pause
            raise error
        if pause >= _LONG_WAIT:
            self._tell(f"{error} The API asks to be left alone for {pause:.0f} s; then it is tried again.")
        self._limiter.refused(pause)
        raise error

    def _parsed(self, request: _Request, response: requests.Response, parser: StreamParser[Parsed]) -> Parsed:
        what, max_bytes = request.what, request.max_bytes
        size = 0
        for chunk in response.iter_content(_CHUNK_BYTES):
            size += len(chunk)
            if max_bytes is not None and size > max_bytes:
                raise TooHeavyError(f"{what} was given up: the answer is larger than {max_bytes} bytes.", 200)
            parser.feed(chunk)
        self.traffic.add(bytes_received=size)
        return parser.close()


def _session(auth: HTTPBasicAuth, adapter: CuttableAdapter) -> requests.Session:
    session = requests.Session()
    session.auth = auth
    session.verify = os.environ.get("SSL_CERT_FILE") or True  # requests itself knows the other two variables
    session.headers.update({"Accept": "*/*", "User-Agent": "weave-eval"})
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url
