"""One load at a time: a lock file that the operating system frees, however a load ends."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..errors import BusyError, SettingsError
from ..times import utc_now


class ProjectLock:
    """A lock of a project that a warehouse holds, or of one that has no such locks: nothing is held, or lost."""

    def renew(self) -> bool:
        """Takes the lock again if it was lost; returns whether it was."""
        return False


@contextmanager
def load_lock(path: Path, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds the lock `path`. Raises `BusyError`, naming the holder, if it is not free within `wait_seconds`.

    `purpose` says what the holder does; it is shown to whoever finds the lock taken. Raises `SettingsError` if the
    lock cannot be made.
    """
    holder = path.with_suffix(".holder")
    lock = _acquired(path, holder, wait_seconds)
    try:
        holder.write_text(f"{_own_name()}, {purpose}, since {utc_now():%Y-%m-%d %H:%M:%S} UTC", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquired(path: Path, holder: Path, wait_seconds: float) -> BaseFileLock:
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise busy_error(_read(holder)) from None
    except OSError as error:
        raise _unwritable(path, error.strerror or "it is refused") from None
    return lock


def _own_name() -> str:
    return f"process {os.getpid()} on {platform.node()}"


def require_writable(path: Path) -> None:
    """Raises `SettingsError` if `path` does not exist and cannot be made, or exists and cannot be written to."""
    nearest = next(place for place in (path, *path.parents) if os.access(place, os.F_OK))
    if not os.access(nearest, os.W_OK) or not (nearest == path or nearest.is_dir()):
        raise _unwritable(path, f"{nearest} is not writable")


def _unwritable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path} cannot be made: {why}. Give the user that loads a folder to write to; DLT_DATA_DIR names the one for "
        "locks and dlt's working files."
    )


def busy_error(holder: str | None) -> BusyError:
    """The error for a lock that is taken by `holder`, if it is known."""
    who = f" ({holder})" if holder else ""
    return BusyError(f"Another load is running{who}. Nothing was done; run again later, or wait for it with --wait.")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
