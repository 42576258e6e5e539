"""What a load did: the report that grows while it runs, and the result that its caller gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..state.unproven import ReadRun

Progress = Callable[[int, int], None]
"""Called after each run with the number of runs read and of runs to read."""


@dataclass
class Report:
    """What a load did so far.

    `rows` counts by table, `reasons` the runs read by why they were; `read` has what their proof needs, by run id, and
    `removed` the runs that were removed from the warehouse.
    """

    runs_listed: int = 0
    runs_unchanged: int = 0
    runs_open: int = 0
    runs_deleted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    read: dict[str, ReadRun] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    @property
    def runs_read(self) -> int:
        """Runs that were read."""
        return sum(self.reasons.values())


@dataclass
class LoadResult:
    """What a load did. Times in seconds, `requests` and the like count HTTP requests.

    `unreconciled` are the runs that have ended and still differ from what Weave says of them after a second reading.
    """

    project: str
    destination: str
    dataset: str
    report: Report
    traffic: dict[str, int]
    load_ids: list[str] = field(default_factory=list)
    unreconciled: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """`loaded`, `unchanged` if there was nothing to load, or `unreconciled`."""
        if self.unreconciled:
            return "unreconciled"
        return "loaded" if self.load_ids else "unchanged"

    @property
    def rows(self) -> int:
        """Rows loaded, over all tables."""
        return sum(self.report.rows.values())

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        report = self.report
        return {
            "project": self.project,
            "status": self.status,
            "destination": self.destination,
            "dataset": self.dataset,
            "runs_listed": report.runs_listed,
            "runs_read": report.runs_read,
            "runs_unchanged": report.runs_unchanged,
            "runs_open": report.runs_open,
            "runs_deleted": report.runs_deleted,
            "reasons": dict(report.reasons),
            "rows": dict(report.rows),
            "warnings": report.warnings,
            "unreconciled": self.unreconciled,
            **self.traffic,
            "load_ids": self.load_ids,
            "seconds": round(self.seconds, 3),
        }
