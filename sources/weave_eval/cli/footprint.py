"""What the process of the command line does to stay small; no other process is affected."""

from __future__ import annotations

import os
import sys

_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's `mallopt`."""
_ARENAS = 2


def reduce_footprint() -> None:
    """Keeps freed memory from staying with the process."""
    # Arrow's own allocator keeps what it frees, and glibc as much for each of many threads.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        _limit_arenas()


def _limit_arenas() -> None:
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # another C library may have none
        mallopt(_ARENA_MAX, _ARENAS)
