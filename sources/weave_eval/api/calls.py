"""Streams of calls, read whole: one that ends early looks like a complete one, so calls are counted apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ..errors import TransientApiError
from .bodies import StreamParser
from .client import WeaveClient

Call = TypeVar("Call")
Query = dict[str, Any]
"""The body of a `calls/stream_query`."""

MOST_ATTEMPTS = 4
"""How often a stream is asked for until it is whole."""

_ASKED = ("project_id", "filter", "query")


class _Stats(msgspec.Struct):
    count: int


_STATS = msgspec.json.Decoder(_Stats)


def read_calls(
    client: WeaveClient,
    query: Query,
    make_parser: Callable[[], StreamParser[list[Call]]],
    *,
    purpose: str,
    at_most: int | None = None,
    max_bytes: int | None = None,
) -> list[Call]:
    """All calls that a query without a limit finds.

    They are counted first, for more may be added meanwhile. A query that can find `at_most` a certain number is
    checked by a count only if it finds fewer.
    Raises `TransientApiError` if the stream ends early every time.
    """
    calls: list[Call] = []
    count = 0
    for _ in range(MOST_ATTEMPTS):
        if at_most is None:
            count = count_calls(client, query, purpose)
        calls = client.stream("/calls/stream_query", query, make_parser, purpose=purpose, max_bytes=max_bytes)
        if len(calls) == at_most:
            return calls
        if at_most is not None:
            count = count_calls(client, query, purpose)
        if len(calls) >= count:
            return calls
    raise ended_early(client, purpose, len(calls), count)


def checked_call(value: Any) -> dict[str, Any]:
    """The value, if it is a call's fields. Raises `ValueError` if not."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        raise ValueError("it has no id")  # noqa: TRY004 - whatever it is
    return value


def count_calls(client: WeaveClient, query: Query, purpose: str) -> int:
    """The number of calls that a query finds, whatever its limit."""
    body = {name: query[name] for name in _ASKED if name in query}
    return client.post("/calls/query_stats", body, _STATS.decode, purpose=purpose).count


def ended_early(client: WeaveClient, purpose: str, found: int, count: int) -> TransientApiError:
    """The error for an answer that lacks something also when it is asked for again."""
    return TransientApiError(
        f"{purpose} of {client.project_id} failed: the answer ended early {MOST_ATTEMPTS} times, after {found} of "
        f"{count}. Nothing of it was loaded; run again later."
    )
