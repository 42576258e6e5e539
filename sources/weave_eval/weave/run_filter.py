"""Which runs of a project are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted. Times bound `started_at`: `since` is included, `until` is not.

    An evaluation or model is named by its name or by a whole ref.
    """

    since: datetime | None = None
    until: datetime | None = None
    run_ids: tuple[str, ...] = ()
    evaluations: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
