"""The exit code of a command."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import BusyError, SettingsError, WeaveEvalError
from ..program import BUSY, DONE, FAILED, MISUSED


def exit_code(error: WeaveEvalError) -> int:
    """The exit code for an error."""
    if isinstance(error, SettingsError):
        return MISUSED
    return BUSY if isinstance(error, BusyError) else FAILED


def worst(codes: Iterable[int]) -> int:
    """The code to leave with: a failure before a mistake before a held lock."""
    met = set(codes)
    return next((code for code in (FAILED, MISUSED, BUSY) if code in met), DONE)
