"""The errors a user can meet. Each message says what happened, on what, what was done, and what to do next.

WeaveEvalError
├── SettingsError               a setting, option or profile is wrong or missing: change it
│   └── MissingKeyError         no W&B API key was found
├── ApiError                    Weave's API did not answer as needed
│   ├── TransientApiError       it may work later: run again
│   │   └── TooHeavyError       the answer is too big or too slow: a smaller page may work
│   └── TerminalApiError        the same request will fail again
│       ├── RefusedKeyError     401
│       ├── NoAccessError       403
│       ├── NotFoundError       404: project, run or route
│       ├── NotWeaveError       what answers at the base URL is not Weave's API
│       └── UnconfirmedError    the answer is too unlikely to be believed: check it, or confirm it
├── DestinationError            the warehouse refused: connection, permission, or load
├── DefectError                 our own code failed while it read: report it
├── BusyError                   another load holds the lock: run again later
└── LockedOutError              the lock has been held for hours, several times in a row: look at what holds it
"""

from __future__ import annotations

from collections.abc import Iterator


class WeaveEvalError(Exception):
    """Root of all errors that this package raises on purpose."""


OUT_OF_MEMORY = (
    "There was not enough memory. What was loaded is kept. Give the process more, or have it hold less at once: with "
    "smaller values of package_bytes, parallelism, max_page_bytes or page_rows."
)


class SettingsError(WeaveEvalError):
    """A setting, option or profile is wrong or missing."""


class MissingKeyError(SettingsError):
    """No W&B API key was found."""


class ApiError(WeaveEvalError):
    """Weave's API did not answer as needed."""

    status: int | None

    def __init__(self, message: str, status: int | None = None):
        super().__init__(message)
        self.status = status


class TransientApiError(ApiError):
    """The request failed although it was retried; a later one may succeed.

    `pause` is for how many seconds the API asks to be left alone, where that is too long to wait.
    """

    pause: float = 0.0


class TooHeavyError(TransientApiError):
    """The answer is too big or takes too long; a smaller page may succeed."""


class TerminalApiError(ApiError):
    """The request was refused; the same one will be refused again."""


class RefusedKeyError(TerminalApiError):
    """The API key was refused (401)."""


class NoAccessError(TerminalApiError):
    """The key has no access to the entity or project (403)."""


class NotFoundError(TerminalApiError):
    """The project, run or route does not exist (404)."""


class NotWeaveError(TerminalApiError):
    """What answers at the base URL is not Weave's API."""


class UnconfirmedError(TerminalApiError):
    """Weave's answer would take away so much that it is believed only once somebody confirms it."""


class DestinationError(WeaveEvalError):
    """The warehouse could not be reached or refused the load."""


class DefectError(WeaveEvalError):
    """Our own code failed where it should not; the same load will fail again."""


class BusyError(WeaveEvalError):
    """Another load holds the lock."""


class LockedOutError(WeaveEvalError):
    """The lock was held by another several times in a row, for hours: it may never be free."""


class UnreadableBodyError(ValueError):
    """A parser's word for a body that is broken or cut short: the request is made again."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
