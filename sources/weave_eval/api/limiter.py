"""One rate limit shared by all threads that talk to an API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_RECOVERY = 1.05
_SLOWEST = 0.2


class RateLimiter:
    """Spaces requests evenly, and slows every thread down when the API says that they are too many.

    `per_second` is the highest rate. Each refusal halves the rate in force; each success after it raises it by
    5 % until the highest is reached again. Safe to use from many threads.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ):
        self._highest = per_second
        self._rate = per_second
        self._next = 0.0
        self._lock = threading.Lock()
        self._clock = clock
        self._sleep = sleep

    def acquire(self, sleep: Callable[[float], object] = time.sleep) -> None:
        """Waits until the next request may start; with `sleep`, unless the limiter has a way of its own."""
        with self._lock:
            start = max(self._clock(), self._next)
            self._next = start + 1.0 / self._rate
        delay = start - self._clock()
        if delay > 0:
            (self._sleep or sleep)(delay)

    def refused(self, seconds: float) -> None:
        """Halves the rate and lets no request start for `seconds`."""
        with self._lock:
            self._rate = max(self._rate / 2, min(_SLOWEST, self._highest))
            self._next = max(self._next, self._clock() + seconds)

    def succeeded(self) -> None:
        """Raises the rate a little, up to the highest."""
        with self._lock:
            self._rate = min(self._rate * _RECOVERY, self._highest)
