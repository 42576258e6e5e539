"""One load at a time: a lock file that the operating system frees, however a load ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .changes import utc_now
from .errors import BusyError


@contextmanager
def load_lock(path: Path, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds the lock `path`. Raises `BusyError`, naming the holder, if it is not free within `wait_seconds`.

    `purpose` says what the holder does; it is shown to whoever finds the lock taken.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise busy_error(_read(holder)) from None
    try:
        holder.write_text(
            f"process {os.getpid()}, {purpose}, since {utc_now():%Y-%m-%d %H:%M:%S} UTC", encoding="utf-8"
        )
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def busy_error(holder: str | None) -> BusyError:
    """The error for a lock that is taken by `holder`, if it is known."""
    who = f" ({holder})" if holder else ""
    return BusyError(f"Another load is running{who}. Nothing was done; run again later, or wait for it with --wait.")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
