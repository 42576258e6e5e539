"""A proxy before a W&B server, at which things happen while a load is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.faults.proxy import Answer, FaultyProxy

Happening = tuple[int, Callable[[], None]]
"""Before which request, counted from one, something happens, and what."""

DOWN = Answer(503, b'{"reason": "down"}', "application/json")


@dataclass
class Upstream(FaultyProxy):
    """Answers as the server does at that moment."""

    asked: int = 0
    _happenings: list[Happening] = field(default_factory=list)
    _down_from: int | None = None
    _errors: list[Exception] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def meanwhile(self, happenings: Sequence[Happening], down_from: int | None = None) -> Iterator[None]:
        """Inside, things happen before certain requests, and the server is down from one on.

        What was not reached happens at the end.
        """
        self.asked, self._down_from = 0, down_from
        self._happenings = sorted(happenings, key=lambda happening: happening[0])
        try:
            yield
        finally:
            self._down_from = None
            while self._happenings:
                self._happen()
        if self._errors:
            raise self._errors.pop()

    def _true_answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> Answer:
        with self._turn:
            self.asked += 1
            is_down = self._down_from is not None and self.asked >= self._down_from
            while self._happenings and self._happenings[0][0] <= self.asked:
                self._happen()
        return DOWN if is_down else self._ask(handler, content)

    def _happen(self) -> None:
        _, happen = self._happenings.pop(0)
        try:
            happen()
        except Exception as error:  # noqa: BLE001 - it is raised in the test's own thread
            self._errors.append(error)
