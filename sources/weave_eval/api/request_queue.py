"""Requests made ahead in threads, as many at a time as it takes for answers to be there when they are wanted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

from .readahead import ReadAhead
from .traffic import Traffic

Purpose = TypeVar("Purpose")

Request = Callable[[], Any]


class RequestQueue(Generic[Purpose]):
    """Requests that wait or are under way, each with what it is for."""

    def __init__(self, pool: ThreadPoolExecutor, most: int, traffic: Traffic):
        """At most `most` requests are under way or answered and not taken yet; `traffic` counts refusals."""
        self._pool = pool
        self._ahead = ReadAhead(most)
        self._traffic = traffic
        self._waiting: deque[tuple[Request, Purpose]] = deque()
        self._running: dict[Future[Any], Purpose] = {}

    @property
    def size(self) -> int:
        """How many requests should be under way or answered and not taken yet."""
        return self._ahead.size

    @property
    def is_running(self) -> bool:
        """Whether there is an answer to take, now or later."""
        return bool(self._running)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits or is under way."""
        return not self._running and not self._waiting

    def has_room(self, most: int) -> bool:
        """Whether nothing waits, and fewer than `most` are under way or answered and not taken yet."""
        return not self._waiting and len(self._running) < most

    def add(self, request: Request, purpose: Purpose, *, first: bool = False) -> None:
        """Has the request made after all others that wait, or before them."""
        (self._waiting.appendleft if first else self._waiting.append)((request, purpose))

    def start(self, most: int) -> None:
        """Makes requests that wait, until `most` are under way or answered and not taken yet."""
        while self._waiting and len(self._running) < most:
            request, purpose = self._waiting.popleft()
            self._running[self._pool.submit(request)] = purpose

    def take(self) -> tuple[Purpose, Future[Any]]:
        """The answer that was asked for first of those that are there, or the one that comes next; or its error."""
        future = self._next()
        return self._running.pop(future), future

    def _next(self) -> Future[Any]:
        self._ahead.refused(self._traffic.throttled)
        there = [future for future in self._running if future.done()]
        if there:
            self._ahead.found(len(there))
            return there[0]
        began, used = time.monotonic(), time.process_time()
        future = wait(self._running, return_when=FIRST_COMPLETED).done.pop()
        self._ahead.waited(time.monotonic() - began - (time.process_time() - used))
        return future
