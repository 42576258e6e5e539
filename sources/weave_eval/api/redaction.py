"""Secrets taken out of texts that others wrote, such as a server's or a driver's words."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"

_SHORTEST = 4
_SHORTEST_PACKED = 8
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` for each secret, also where it is escaped or in base64.

    Secrets of less than four characters stay: too much else reads the same.
    """
    for secret in sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True):
        for form in _written(secret):
            text = text.replace(form, MASK)
        text = _without_runs(text, tuple(_packed(secret)))
    return text


def _without_runs(text: str, packed: tuple[str, ...]) -> str:
    """The text without the base64 runs that hold one of these; in time that grows with its length alone."""
    if not any(inner in text for inner in packed):
        return text
    return _BASE64.sub(lambda run: MASK if any(inner in run[0] for inner in packed) else run[0], text)


def _written(secret: str) -> Iterator[str]:
    """The secret as it is, and as URLs, JSON and Python write it."""
    yield secret
    for escaped in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield escaped
        yield re.sub("%..", lambda match: match[0].lower(), escaped)
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])


def _packed(secret: str) -> Iterator[str]:
    """What is the same in every base64 text with the secret, whatever stands before it."""
    if len(secret) < _SHORTEST_PACKED:
        return
    for offset in range(3):
        content = b"\0" * offset + secret.encode()
        whole = content[: len(content) // 3 * 3]
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(whole).decode()[4 if offset else 0 :]
