"""Python's search for cycles of garbage, made rarer while rows are read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_ALLOCATIONS = 200_000


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Searches once in 200,000 objects that stay, in place of 700.

    Pages of rows have no cycles, and objects by the ten thousand, which Python would look through time and again.
    """
    young, *older = gc.get_threshold()
    gc.set_threshold(max(young, _ALLOCATIONS), *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)
