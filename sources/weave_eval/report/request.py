"""What a report is asked to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Request:
    """Which runs a report is about: empty stands for all. Times are UTC.

    `runs` and `compare` are ids, starts of ids, or `latest:MODEL`. `metric` is the label of the metric that leads.
    `generated_at` is the time that the page names.
    """

    generated_at: datetime
    projects: Sequence[str] = ()
    runs: Sequence[str] = ()
    compare: tuple[str, str] | None = None
    since: datetime | None = None
    metric: str | None = None
