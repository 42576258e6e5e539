"""When a request that failed is made again, how often, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event, wait_random_exponential

from ..errors import ApiError, TooHeavyError, TransientApiError
from .http_errors import may_persist

_FEW_ATTEMPTS = 3


@dataclass(frozen=True)
class Patience:
    """How long to wait for one request, in seconds: for the connection, the next bytes, and the whole answer.

    `retry_budget` is how long it is made again while it fails; `max_attempts` ends that earlier, if given.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    response_timeout: float = 300.0
    retry_budget: float = 300.0
    max_attempts: int | None = None


def retrying(
    patience: Patience,
    *,
    is_bounded: bool,
    has_alternative: bool,
    on_retry: Callable[[RetryCallState], None],
    ended: threading.Event,
) -> Retrying:
    """Makes a call again while its error may pass, the budget lasts and nobody has `ended` it.

    Where the answer `is_bounded`, one that is too heavy ends it at once: it would be again. What may fail every time
    is tried a few times only if the caller `has_alternative`. An error with a pause that is too long to wait ends it
    too. `on_retry` is called before each further attempt.
    """

    def gives_up(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if ended.is_set() or (isinstance(error, TransientApiError) and error.pause):
            return True
        is_heavy = isinstance(error, TooHeavyError)
        if is_heavy and is_bounded:
            return True
        is_hopeless = is_heavy or (has_alternative and isinstance(error, ApiError) and may_persist(error))
        attempts = _FEW_ATTEMPTS if is_hopeless else patience.max_attempts or state.attempt_number + 1
        return state.attempt_number >= attempts or (state.seconds_since_start or 0.0) >= patience.retry_budget

    return Retrying(
        retry=retry_if_exception_type(TransientApiError),
        stop=gives_up,
        wait=wait_random_exponential(multiplier=0.5, max=30),
        sleep=sleep_using_event(ended),
        before_sleep=on_retry,
        reraise=True,
    )
