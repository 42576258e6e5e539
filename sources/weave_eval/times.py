"""Times of the API, in UTC."""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec


def parse_time(text: object) -> datetime:
    """A time of the API (RFC 3339, any offset or none for UTC) in UTC. Raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a time")  # noqa: TRY004 - values of the API, not of a caller
    return in_utc(msgspec.convert(text.replace(" ", "T", 1), datetime))


def in_utc(moment: datetime) -> datetime:
    """A time of the API in UTC; one without an offset is."""
    if moment.tzinfo is timezone.utc:
        return moment
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(timezone.utc)
