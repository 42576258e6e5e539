"""What a warehouse holds of each project: runs by status, the last finished run, the last load."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, func, inspect, select

from ..destinations import Profile
from .engine import reading
from .metadata import sql_tables


@dataclass
class ProjectStatus:
    """One project in a warehouse. Times are UTC."""

    project: str
    runs: dict[str, int] = field(default_factory=dict)
    last_run_finished_at: datetime | None = None
    last_loaded_at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON values."""
        return {
            "project": self.project,
            "runs": self.runs,
            "last_run_finished_at": _iso(self.last_run_finished_at),
            "last_loaded_at": _iso(self.last_loaded_at),
        }


def project_statuses(profile: Profile) -> list[ProjectStatus]:
    """The status of each project in a warehouse, by name; none before the first load."""
    with reading(profile) as connection:
        if not inspect(connection).has_table("evaluation_runs", schema=profile.dataset):
            return []
        return _statuses(connection, profile.dataset)


def _statuses(connection: Connection, dataset: str) -> list[ProjectStatus]:
    runs = sql_tables(dataset)["evaluation_runs"].c
    query = select(
        runs.project_id, runs.status, func.count(), func.max(runs.finished_at), func.max(runs.synced_at)
    ).group_by(runs.project_id, runs.status)
    found: dict[str, ProjectStatus] = {}
    for project, status, count, finished_at, loaded_at in connection.execute(query):
        one = found.setdefault(project, ProjectStatus(project))
        one.runs[status] = count
        one.last_run_finished_at = _latest(one.last_run_finished_at, finished_at)
        one.last_loaded_at = _latest(one.last_loaded_at, loaded_at)
    return [found[project] for project in sorted(found)]


def _latest(first: datetime | None, second: datetime | None) -> datetime | None:
    moments = [moment for moment in (first, second) if moment]
    return max(moments, default=None)


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    aware = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    return aware.isoformat(timespec="seconds").replace("+00:00", "Z")
