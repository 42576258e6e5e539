"""When a request that failed is made again, how often, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from ..errors import ApiError, TooHeavyError, TransientApiError
from .http_errors import may_persist

_FEW_ATTEMPTS = 3


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to try again. Times in seconds."""

    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    response_timeout: float = 600.0
    retry_budget: float = 300.0
    max_attempts: int = 8


def retrying(patience: Patience, *, is_bounded: bool, has_alternative: bool, on_retry: Callable[[], None]) -> Retrying:
    """Makes a call again while its error may pass.

    Where the answer `is_bounded`, one that is too heavy ends it at once: it would be again. What may fail every time
    is tried a few times only if the caller `has_alternative`. `on_retry` is called before each further attempt.
    """

    def gives_up(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        is_heavy = isinstance(error, TooHeavyError)
        if is_heavy and is_bounded:
            return True
        is_hopeless = is_heavy or (has_alternative and isinstance(error, ApiError) and may_persist(error))
        attempts = _FEW_ATTEMPTS if is_hopeless else patience.max_attempts
        return state.attempt_number >= attempts or (state.seconds_since_start or 0.0) >= patience.retry_budget

    return Retrying(
        retry=retry_if_exception_type(TransientApiError),
        stop=gives_up,
        wait=wait_random_exponential(multiplier=0.5, max=30),
        before_sleep=lambda _: on_retry(),
        reraise=True,
    )
