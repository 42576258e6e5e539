"""HTTP to Weave: authentication, retries around request, read and parse, one shared rate limit, error sentences.

Whatever goes wrong comes out as an `ApiError` of `errors.py`. The key is in no message: requests are named by
method, path and what the caller says they are for.
"""

from __future__ import annotations

import io
import os
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.exceptions import InvalidProxyURL, InvalidSchema, InvalidURL, MissingSchema, RequestException
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential
from typing_extensions import Self

from ..errors import (
    ApiError,
    NoAccessError,
    NotFoundError,
    NotWeaveError,
    RefusedKeyError,
    TerminalApiError,
    TooHeavyError,
    TransientApiError,
    UnreadableBodyError,
)
from .limiter import RateLimiter
from .redaction import redacted

Parsed = TypeVar("Parsed")
Parsed_co = TypeVar("Parsed_co", covariant=True)


class Reader(Protocol[Parsed_co]):
    """Takes an answer as it comes, so that a long one is never in memory whole."""

    def feed(self, part: bytes) -> None:
        """Takes the next bytes. Raises what parsers raise for bytes that they cannot read."""

    def close(self) -> Parsed_co:
        """What was made of the answer, which has ended. Raises likewise."""


class Whole(Generic[Parsed]):
    """Parses an answer when all of it is there. It is kept once: a list of parts would have to be joined."""

    def __init__(self, parse: Callable[[bytes], Parsed]):
        self._parse = parse
        self._body = io.BytesIO()

    def feed(self, part: bytes) -> None:
        """Keeps the next bytes."""
        self._body.write(part)

    def close(self) -> Parsed:
        """What `parse` makes of the answer."""
        return self._parse(self._body.getvalue())


_CHUNK_BYTES = 1 << 18
_TIMEOUT = 408
_TOO_HEAVY = frozenset({413, 504})
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAYBE_FOR_EVER = frozenset({408, 500, 502})
_SERVER_ERROR_ATTEMPTS = 3
_LONGEST_PAUSE = 120.0
_NO_ROUTE = "Not Found"
_NO_API = "{} is not Weave's API. Check the base URL."
_REDIRECTS = "{} redirects elsewhere, which is not followed. Check the base URL."
_TLS_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_NAME_CERTIFICATES = "name your company's certificates in REQUESTS_CA_BUNDLE."
_CHECK_CERTIFICATES = "Check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE."
_CHECK_PROXY = "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY."
_PROXY_PASSWORD = f"the proxy wants a user and a password (407), as in http://user:password@host:port. {_CHECK_PROXY}"
_NOT_WEAVE = {404: _NO_API, 405: _NO_API, 407: _PROXY_PASSWORD, **dict.fromkeys((301, 302, 303, 307, 308), _REDIRECTS)}
"""What a status says of who answers at the base URL."""


@dataclass
class Traffic:
    """What was sent and received: counts, and bytes of bodies after decompression."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    bytes_received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, *, requests: int = 0, retries: int = 0, throttled: int = 0, bytes_received: int = 0) -> None:
        """Adds to the counts, from any thread."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.throttled += throttled
            self.bytes_received += bytes_received

    def as_dict(self) -> dict[str, int]:
        """The four counts by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to try again. Times in seconds."""

    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    response_timeout: float = 600.0
    retry_budget: float = 300.0
    max_attempts: int = 8


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
        self._limiter = limiter
        self._patience = patience or Patience()
        self._session = requests.Session()
        self._auth = HTTPBasicAuth("api", api_key)
        self._session.auth = self._auth
        self._session.verify = os.environ.get("SSL_CERT_FILE") or True  # requests itself knows the other two variables
        self._session.headers.update({"Accept": "*/*", "User-Agent": "weave-eval"})
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=parallelism + 1)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

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
        `max_bytes` is given up with `TooHeavyError`. A server error that may be one for ever is given up early if
        the caller `has_alternative`.
        """
        make = partial(Whole, parse)
        return self.post_for(path, body, make, purpose=purpose, max_bytes=max_bytes, has_alternative=has_alternative)

    def post_for(
        self,
        path: str,
        body: dict[str, Any],
        make_reader: Callable[[], Reader[Parsed]],
        *,
        purpose: str,
        max_bytes: int | None = None,
        has_alternative: bool = False,
    ) -> Parsed:
        """Like `post`, for an answer that is read as it comes; each attempt has a reader of its own."""
        options = {"data": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}
        what = self._what(purpose, "POST", path)
        return self._retried(_Request(what, "POST", path, options, max_bytes, has_alternative), make_reader)

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
        return self._retried(_Request(what, "GET", path, {"params": params}), partial(Whole, parse))

    def _what(self, purpose: str, method: str, path: str) -> str:
        return f"{purpose} of {self.project_id} ({method} {path})"

    def _retried(self, request: _Request, make_reader: Callable[[], Reader[Parsed]]) -> Parsed:
        retrying = Retrying(
            retry=retry_if_exception_type(TransientApiError),
            stop=self._gives_up,
            wait=wait_random_exponential(multiplier=0.5, max=30),
            before_sleep=lambda _: self.traffic.add(retries=1),
            reraise=True,
        )
        parsed: Parsed = retrying(self._attempt, request, make_reader)
        return parsed

    def _gives_up(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        request: _Request = state.args[0]
        if isinstance(error, TooHeavyError) and request.max_bytes is not None:
            return True
        is_early = isinstance(error, TooHeavyError) or (
            request.has_alternative and isinstance(error, ApiError) and error.status in _MAYBE_FOR_EVER
        )
        attempts = _SERVER_ERROR_ATTEMPTS if is_early else self._patience.max_attempts
        elapsed = state.seconds_since_start or 0.0
        return state.attempt_number >= attempts or elapsed >= self._patience.retry_budget

    def _attempt(self, request: _Request, make_reader: Callable[[], Reader[Parsed]]) -> Parsed:
        what = request.what
        self._limiter.acquire()
        self.traffic.add(requests=1)
        try:
            parsed = self._exchange(request, make_reader())
        except RequestException as error:
            raise self._failure(what, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, UnreadableBodyError) as error:
            raise TransientApiError(f"{what} failed: the answer could not be read ({error}).", 200) from None
        except OSError as error:  # of requests itself, which looks for the file
            raise NotWeaveError(f"{what} failed: {error}. {_CHECK_CERTIFICATES}") from None
        self._limiter.succeeded()
        return parsed

    def _failure(self, what: str, error: RequestException) -> ApiError:
        """The error to show for one of requests, whose texts can hold URLs with credentials."""
        root = _root(error)
        if isinstance(error, requests.exceptions.Timeout) or isinstance(root, TimeoutError):
            return TransientApiError(f"{what} failed: no answer from {self.base_url} in time.", _TIMEOUT)
        if _is_for_ever(error, root):
            return NotWeaveError(f"{what} failed: {self._obstacle(error, root)}")
        return TransientApiError(f"{what} failed: {self.base_url} {_breakage(error, root)}.")

    def _obstacle(self, error: RequestException, root: BaseException) -> str:
        if isinstance(error, requests.exceptions.SSLError):
            certificate = f"the TLS certificate of {self.base_url} was not accepted ({type(root).__name__})"
            return f"{certificate}. Check the base URL, or {_NAME_CERTIFICATES}"
        if isinstance(error, requests.exceptions.ProxyError):
            return _PROXY_PASSWORD
        if isinstance(error, InvalidProxyURL) or "SOCKS" in str(root):
            return f"the proxy in the environment cannot be used. {_CHECK_PROXY}"
        return f"{self.base_url!r} is no http(s) URL. Check the base URL."

    def _exchange(self, request: _Request, reader: Reader[Parsed]) -> Parsed:
        what, url = request.what, self.base_url + request.path
        timeout = (self._patience.connect_timeout, self._patience.read_timeout)
        with self._session.request(
            request.method, url, timeout=timeout, stream=True, allow_redirects=False, **request.options
        ) as response:
            if response.status_code != 200:
                self._refuse(what, response, self._read(request, response, Whole(bytes)))
            if "html" in response.headers.get("Content-Type", ""):
                page = f"{self.base_url} answered with a web page"
                raise NotWeaveError(f"{what} failed: {page}. Check the base URL.", 200)
            return self._read(request, response, reader)

    def _read(self, request: _Request, response: requests.Response, reader: Reader[Parsed]) -> Parsed:
        what, max_bytes = request.what, request.max_bytes
        deadline = time.monotonic() + self._patience.response_timeout
        size = 0
        for chunk in response.iter_content(_CHUNK_BYTES):
            size += len(chunk)
            if max_bytes is not None and size > max_bytes:
                raise TooHeavyError(f"{what} was given up: the answer is larger than {max_bytes} bytes.", 200)
            if time.monotonic() > deadline:
                seconds = self._patience.response_timeout
                raise TooHeavyError(f"{what} was given up: the answer took longer than {seconds:.0f} s.", 200)
            reader.feed(chunk)
        self.traffic.add(bytes_received=size)
        return reader.close()

    def _refuse(self, what: str, response: requests.Response, body: bytes) -> None:
        status = response.status_code
        reason = _reason(body, str(self._auth.password))
        words = f" ({reason})" if reason else ""
        if status == 429 or "Retry-After" in response.headers:
            self.traffic.add(throttled=1)
            self._limiter.refused(_retry_after(response))
        if status in _TOO_HEAVY:
            raise TooHeavyError(f"{what} failed with {status}{words}.", status)
        if status in _RETRIED:
            raise TransientApiError(f"{what} failed with {status}{words}.", status)
        if status == 404 and reason is None and "json" in response.headers.get("Content-Type", ""):
            raise TransientApiError(f"{what} failed with 404, for a reason that could not be read.", status)
        raise self._terminal(what, status, reason)

    def _terminal(self, what: str, status: int, reason: str | None) -> TerminalApiError:
        if status == 401:
            return RefusedKeyError(f"{what} failed: the API key was refused by {self.base_url}. Check it.", status)
        if status == 403:
            return NoAccessError(f"{what} failed: this API key has no access to it.", status)
        if status == 404 and reason and reason != _NO_ROUTE:
            return NotFoundError(f"{what} failed: {reason}", status)
        if status in _NOT_WEAVE:
            return NotWeaveError(f"{what} failed: {_NOT_WEAVE[status].format(self.base_url)}", status)
        return TerminalApiError(f"{what} was refused with {status} ({reason or 'no reason given'}).", status)


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url


def _reason(body: bytes, secret: str) -> str | None:
    """The API's own words for a refusal, at most 300 characters; None if it is not the API that answered."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if isinstance(answer, dict):
        answer = answer.get("reason") or answer.get("detail") or answer
    return redacted(str(answer), [secret])[:300]


def _retry_after(response: requests.Response) -> float:
    """Seconds that a `Retry-After` header asks for (a number or a date), at most two minutes; 1 without one."""
    value = response.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds()
        except (ValueError, TypeError):
            seconds = 1.0
    return min(max(seconds, 0.0), _LONGEST_PAUSE)


def _is_for_ever(error: RequestException, root: BaseException) -> bool:
    """Whether the same request will fail again: a wrong URL, certificate or proxy, and not a connection that ended."""
    if isinstance(error, requests.exceptions.SSLError):
        return not isinstance(root, _TLS_ENDED)
    if isinstance(error, requests.exceptions.ProxyError):
        return "407" in str(root)
    return isinstance(error, (InvalidURL, InvalidSchema, MissingSchema))


def _breakage(error: RequestException, root: BaseException) -> str:
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "sent a body that cannot be decompressed"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off the answer"
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy"
    return f"cannot be reached ({type(root).__name__})"


def _root(error: BaseException) -> BaseException:
    """The innermost cause."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error
