"""The error for each way in which a request can fail: refused, not understood, or never answered.

What requests and servers say is not passed on as it is: it can hold URLs with credentials.
"""

from __future__ import annotations

import ssl
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import msgspec
import requests
from requests.exceptions import (
    ChunkedEncodingError,
    ContentDecodingError,
    InvalidProxyURL,
    InvalidSchema,
    InvalidURL,
    MissingSchema,
    ProxyError,
    RequestException,
    SSLError,
    Timeout,
)

from ..errors import (
    ApiError,
    NoAccessError,
    NotFoundError,
    NotWeaveError,
    RefusedKeyError,
    TerminalApiError,
    TooHeavyError,
    TransientApiError,
    causes,
)
from .redaction import redacted

SERVER_FAILURE = 500
"""The status with which the server itself fails, not a gateway before it."""

_TIMEOUT = 408
_TOO_HEAVY = frozenset({413, 504})
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_PERSISTENT = frozenset({408, 500, 502, 504})
_LONGEST_REASON = 300
_NO_ROUTE = "Not Found"
_NO_API = "{} is not Weave's API. Check the base URL."
_REDIRECTS = "{} redirects elsewhere, which is not followed. Check the base URL."
_TLS_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_NAME_CERTIFICATES = "name your company's certificates in REQUESTS_CA_BUNDLE."
_CHECK_CERTIFICATES = "Check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE."
_CHECK_PROXY = "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY."
_PROXY_PASSWORD = (
    f"the proxy asks for a user name and a password (407), as in http://user:password@host:port. {_CHECK_PROXY}"
)
_NOT_WEAVE = {404: _NO_API, 405: _NO_API, 407: _PROXY_PASSWORD, **dict.fromkeys((301, 302, 303, 307, 308), _REDIRECTS)}
"""What a status says of who answers at the base URL."""


def may_persist(error: ApiError) -> bool:
    """Whether the server or a gateway failed in a way that the same request may meet every time."""
    return error.status in _PERSISTENT


def refusal(what: str, base_url: str, response: requests.Response, reason: str | None) -> ApiError:
    """The error for an answer other than 200; `reason` is what the API gave as one."""
    status = response.status_code
    words = f" ({reason})" if reason else ""
    if status in _TOO_HEAVY:
        return TooHeavyError(f"{what} failed with {status}{words}.", status)
    if status in _RETRIED:
        return TransientApiError(f"{what} failed with {status}{words}.", status)
    if status == 404 and reason is None and "json" in response.headers.get("Content-Type", ""):
        return TransientApiError(f"{what} failed with 404, for a reason that could not be read.", status)
    return _terminal(what, base_url, status, reason)


def _terminal(what: str, base_url: str, status: int, reason: str | None) -> TerminalApiError:
    if status == 401:
        return RefusedKeyError(f"{what} failed: the API key was refused by {base_url}. Check it.", status)
    if status == 403:
        return NoAccessError(f"{what} failed: this API key has no access to it.", status)
    if status == 404 and reason and reason != _NO_ROUTE:
        return NotFoundError(f"{what} failed: {reason}", status)
    if status in _NOT_WEAVE:
        return NotWeaveError(f"{what} failed: {_NOT_WEAVE[status].format(base_url)}", status)
    return TerminalApiError(f"{what} was refused with {status} ({reason or 'no reason given'}).", status)


def reason_in(body: bytes, secret: str) -> str | None:
    """The API's own words for a refusal, at most 300 characters; None if it is not the API that answered."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if isinstance(answer, dict):
        answer = answer.get("reason") or answer.get("detail") or answer
    return redacted(str(answer), [secret])[:_LONGEST_REASON]


def asked_pause(response: requests.Response) -> float | None:
    """Seconds for which the API asks to be left alone; None if it does not.

    A `Retry-After` header names them or a date; where it names neither, one second is waited.
    """
    value = response.headers.get("Retry-After")
    if value is None and response.status_code != 429:
        return None
    return max(_seconds(value or ""), 0.0)


def _seconds(retry_after: str) -> float:
    try:
        return float(retry_after)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds()
    except (ValueError, TypeError):
        return 1.0


def web_page(what: str, base_url: str) -> NotWeaveError:
    """The error for a page that is meant for people."""
    return NotWeaveError(f"{what} failed: {base_url} answered with a web page. Check the base URL.", 200)


def unreadable(what: str, error: Exception) -> TransientApiError:
    """The error for a body that is broken or cut short."""
    return TransientApiError(f"{what} failed: the answer could not be read ({error}).", 200)


def no_certificates(what: str, error: OSError) -> NotWeaveError:
    """The error for a file of certificates that is not there."""
    return NotWeaveError(f"{what} failed: {error}. {_CHECK_CERTIFICATES}")


def transport_failure(what: str, base_url: str, error: RequestException) -> ApiError:
    """The error for a request that got no answer, or only the beginning of one."""
    *_, root = causes(error)
    if isinstance(error, Timeout) or isinstance(root, TimeoutError):
        return TransientApiError(f"{what} failed: no answer from {base_url} in time.", _TIMEOUT)
    if _is_permanent(error, root):
        return NotWeaveError(f"{what} failed: {_obstacle(base_url, error, root)}")
    return TransientApiError(f"{what} failed: {base_url} {_breakage(error, root)}.")


def _is_permanent(error: RequestException, root: BaseException) -> bool:
    """Whether the same request will fail again: a wrong URL, certificate or proxy, not a connection that broke."""
    if isinstance(error, SSLError):
        return not isinstance(root, _TLS_ENDED)
    if isinstance(error, ProxyError):
        return "407" in str(root)
    return isinstance(error, (InvalidURL, InvalidSchema, MissingSchema))


def _obstacle(base_url: str, error: RequestException, root: BaseException) -> str:
    if isinstance(error, SSLError):
        certificate = f"the TLS certificate of {base_url} was not accepted ({type(root).__name__})"
        return f"{certificate}. Check the base URL, or {_NAME_CERTIFICATES}"
    if isinstance(error, ProxyError):
        return _PROXY_PASSWORD
    if isinstance(error, InvalidProxyURL) or "SOCKS" in str(root):
        return f"the proxy in the environment cannot be used. {_CHECK_PROXY}"
    return f"{base_url!r} is not an http(s) URL. Check the base URL."


def _breakage(error: RequestException, root: BaseException) -> str:
    if isinstance(error, ContentDecodingError):
        return "sent a body that cannot be decompressed"
    if isinstance(error, ChunkedEncodingError):
        return "broke off the answer"
    if isinstance(error, ProxyError):
        return "cannot be reached through the proxy"
    return f"cannot be reached ({type(root).__name__})"
