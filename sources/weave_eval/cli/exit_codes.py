"""What the exit codes of the command line mean, and which errors lead to which."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import BusyError, SettingsError, WeaveEvalError

DONE = 0
"""Everything asked for was done."""

FAILED = 1
"""A project failed (the others are loaded), the warehouse differs from Weave, or a run is blocked."""

MISUSED = 2
"""The usage or the configuration is wrong, or a run cannot be judged: trying again does not help."""

BUSY = 75
"""Another load holds the lock: try again later."""

INTERRUPTED = 130
"""SIGINT arrived."""

UNREAD = 141
"""Whoever read the output stopped reading, as `head` does."""

TERMINATED = 143
"""SIGTERM arrived."""


def exit_code(error: WeaveEvalError) -> int:
    """The exit code for an error."""
    if isinstance(error, SettingsError):
        return MISUSED
    return BUSY if isinstance(error, BusyError) else FAILED


def worst(codes: Iterable[int]) -> int:
    """The exit code for several projects: a failure comes before a mistake, and a mistake before a held lock."""
    met = set(codes)
    return next((code for code in (FAILED, MISUSED, BUSY) if code in met), DONE)
