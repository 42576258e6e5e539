"""Bodies of JSON lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from ..errors import UnreadableBodyError

Line = TypeVar("Line")

_NOT_AS_EXPECTED = (KeyError, TypeError, ValueError, AttributeError, msgspec.MsgspecError)


def parse_lines(body: bytes, parse: Callable[[bytes], Line], kind: str) -> list[Line]:
    """What `parse` makes of each line.

    Raises `UnreadableBodyError` if the last line is cut short, or if a line is not a `kind`, which `parse` says by
    whatever it raises for wrong values.
    """
    require_last_line(body)
    try:
        return [parse(line) for line in body.split(b"\n") if line.strip()]
    except _NOT_AS_EXPECTED as error:
        raise UnreadableBodyError(f"a line is not a {kind}: {error}") from None


def require_last_line(body: bytes) -> None:
    """Raises `UnreadableBodyError` if the last line of a JSON-lines body is cut short."""
    if body and not body.endswith((b"\n", b"}")):
        raise UnreadableBodyError("the last line is cut short")
