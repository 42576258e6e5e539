"""When a trial ran and what went wrong in it, as its call says."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class TrialCall(NamedTuple):
    """Times (UTC) and error of one trial."""

    trial_id: str
    run_id: str
    started_at: datetime
    finished_at: datetime | None
    error: str | None


TrialCalls = dict[str, TrialCall]
"""Trial calls by trial id."""
