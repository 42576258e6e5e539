"""Python's search for cycles of garbage, made rarer while rows are read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_ALLOCATIONS = 200_000


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Searches once every 200,000 objects that stay, instead of every 700.

    Pages of rows have no cycles, but tens of thousands of objects, which Python would look through again and again.
    """
    young, *older = gc.get_threshold()
    gc.set_threshold(max(young, _ALLOCATIONS), *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)
