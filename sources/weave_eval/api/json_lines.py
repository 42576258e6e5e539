"""Bodies of JSON lines."""

from __future__ import annotations

from ..errors import UnreadableBodyError


def require_last_line(body: bytes) -> None:
    """Raises `UnreadableBodyError` if the last line of a JSON-lines body is cut short."""
    if body and not body.endswith((b"\n", b"}")):
        raise UnreadableBodyError("the last line is cut short")


def split_lines(body: bytes) -> list[bytes]:
    """The lines of a JSON-lines body. Raises `UnreadableBodyError` if the last one is cut short."""
    require_last_line(body)
    return [line for line in body.split(b"\n") if line.strip()]
