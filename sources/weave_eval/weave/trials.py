"""Trials as calls: which calls are trials, when each ran, and what went wrong in it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

TRIAL_METHODS = ("predict_and_score", "predictAndScore")
"""The methods whose calls are trials: that of the Python SDK and the API, and that of the TypeScript SDK."""


class TrialCall(NamedTuple):
    """Times (UTC) and error of one trial."""

    trial_id: str
    run_id: str
    started_at: datetime
    finished_at: datetime | None
    error: str | None


TrialCalls = dict[str, TrialCall]
"""Trial calls by trial id."""


def is_trial_op(op: str) -> bool:
    """Whether calls of the op are trials. It is named, or given as a ref; the class may be a user's own evaluation."""
    return any(method in op for method in TRIAL_METHODS)
