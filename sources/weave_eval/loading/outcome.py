"""What a load did: the report that grows while it runs, and the result that its caller gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..state.unproven import ReadRun

_MOST_NAMED = 10

Progress = Callable[[int, int], None]
"""Called after each run with the number of runs read and of runs to read."""


@dataclass
class Report:
    """What a load did so far.

    `rows` counts by table, `reasons` the runs read by why they were; `read` has what their proof needs, by run id, and
    `unread` the errors of those that could not be read; `removed` are the runs that were removed from the warehouse.
    """

    runs_listed: int = 0
    runs_unchanged: int = 0
    runs_open: int = 0
    runs_deleted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    read: dict[str, ReadRun] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def copied(self) -> Report:
        """A report that stays as this one is now, but for the runs that cannot be read."""
        return replace(
            self,
            reasons=Counter(self.reasons),
            rows=Counter(self.rows),
            warnings=[*self.warnings],
            read={**self.read},
            removed=[*self.removed],
        )

    def restore(self, earlier: Report) -> None:
        """Makes this one as an earlier one was."""
        vars(self).update(vars(earlier))

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
        """`loaded`, `unchanged` if there was nothing to load, `unreconciled`, or `failed` if a run was not read."""
        if self.report.unread:
            return "failed"
        if self.unreconciled:
            return "unreconciled"
        return "loaded" if self.load_ids else "unchanged"

    @property
    def error(self) -> str | None:
        """Which runs could not be read, if any, and why the first of them."""
        unread = self.report.unread
        if not unread:
            return None
        runs = "1 run" if len(unread) == 1 else f"{len(unread)} runs"
        return (
            f"{self.project}: {runs} could not be read: {', '.join(list(unread)[:_MOST_NAMED])}. "
            f"{next(iter(unread.values()))} The other runs were loaded; the next load tries again."
        )

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
            "unread": report.unread,
            **self.traffic,
            "load_ids": self.load_ids,
            "seconds": round(self.seconds, 3),
        }
