"""How the body of an answer is parsed: piece by piece as it comes, or once all of it is there."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

Parsed = TypeVar("Parsed")
Parsed_co = TypeVar("Parsed_co", covariant=True)


class StreamParser(Protocol[Parsed_co]):
    """Parses a body as it comes, so that a long one is never in memory whole."""

    def feed(self, part: bytes) -> None:
        """Takes the next bytes. Raises what parsers raise for bytes they cannot read."""

    def close(self) -> Parsed_co:
        """What was parsed, once the body has ended. Raises the same."""


class WholeBody(Generic[Parsed]):
    """Parses a body once all of it is there. The bytes are kept once: a list of parts would have to be joined."""

    def __init__(self, parse: Callable[[bytes], Parsed]):
        self._parse = parse
        self._body = io.BytesIO()

    def feed(self, part: bytes) -> None:
        """Keeps the next bytes."""
        self._body.write(part)

    def close(self) -> Parsed:
        """What `parse` makes of the body."""
        return self._parse(self._body.getvalue())
