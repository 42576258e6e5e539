"""What a warehouse holds of each project: runs by status, how fresh and how proven they are, the last error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, inspect, select

from .engine import reading
from .metadata import sql_tables
from .profiles import Profile


@dataclass
class ProjectStatus:
    """One project in a warehouse. Times are UTC.

    `runs` counts by status, without the deleted ones. `last_synced_at` is the last time that a load succeeded, also
    one that found nothing new (these are recorded only now and then). `last_error` is that of the last failed load,
    unless a later one succeeded.
    """

    project: str
    runs: dict[str, int] = field(default_factory=dict)
    deleted_runs: int = 0
    unreconciled_runs: int = 0
    last_run_finished_at: datetime | None = None
    last_loaded_at: datetime | None = None
    last_synced_at: datetime | None = None
    last_error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON values."""
        return {name: _iso(value) if isinstance(value, datetime) else value for name, value in vars(self).items()}


def project_statuses(profile: Profile) -> list[ProjectStatus]:
    """The status of each project in a warehouse, by name; none before the first load."""
    found: dict[str, ProjectStatus] = {}
    with reading(profile) as connection:
        tables = sql_tables(profile.dataset, profile.warehouse)
        for name, query, take in (
            ("evaluation_runs", _runs(tables["evaluation_runs"]), _take_runs),
            ("reconciliations", _unreconciled(tables), _take_unreconciled),
            ("syncs", _syncs(tables["syncs"]), _take_sync),
        ):
            for row in _rows(connection, profile, name, query):
                take(found.setdefault(row[0], ProjectStatus(row[0])), row)
    return [found[project] for project in sorted(found)]


def _rows(connection: Connection, profile: Profile, table: str, query: Select[Any]) -> Iterable[Row[Any]]:
    if not inspect(connection).has_table(table, schema=profile.dataset):
        return ()
    return connection.execute(query)


def _runs(runs: Table) -> Select[Any]:
    is_deleted = runs.c.deleted_at.is_not(None)
    group = (runs.c.project_id, runs.c.status, is_deleted)
    return select(*group, func.count(), func.max(runs.c.finished_at), func.max(runs.c.synced_at)).group_by(*group)


def _take_runs(one: ProjectStatus, row: Row[Any]) -> None:
    _, status, is_deleted, count, finished_at, loaded_at = row
    one.last_loaded_at = _latest(one.last_loaded_at, loaded_at)
    if is_deleted:
        one.deleted_runs += count
        return
    one.runs[status] = count
    one.last_run_finished_at = _latest(one.last_run_finished_at, finished_at)


def _unreconciled(tables: dict[str, Table]) -> Select[Any]:
    proofs, runs = tables["reconciliations"], tables["evaluation_runs"]
    query = select(proofs.c.project_id, func.count()).join_from(proofs, runs, proofs.c.run_id == runs.c.run_id)
    is_wrong = (~proofs.c.is_reconciled) & (runs.c.status != "running") & runs.c.deleted_at.is_(None)
    return query.where(is_wrong).group_by(proofs.c.project_id)


def _take_unreconciled(one: ProjectStatus, row: Row[Any]) -> None:
    one.unreconciled_runs = row[1]


def _syncs(syncs: Table) -> Select[Any]:
    columns = (syncs.c.project_id, syncs.c.status, syncs.c.finished_at, syncs.c.error)
    number = func.row_number().over(partition_by=syncs.c.project_id, order_by=syncs.c.started_at.desc())
    is_failed = syncs.c.status == "failed"
    per_kind = func.row_number().over(partition_by=(syncs.c.project_id, is_failed), order_by=syncs.c.started_at.desc())
    numbered = select(*columns, number.label("number"), per_kind.label("per_kind")).subquery()
    latest = select(numbered.c.project_id, numbered.c.status, numbered.c.finished_at, numbered.c.error)
    return latest.where(numbered.c.per_kind == 1).order_by(numbered.c.project_id, numbered.c.number.desc())


def _take_sync(one: ProjectStatus, row: Row[Any]) -> None:
    """Takes the last failed and the last successful execution, in the order in which they were."""
    _, status, finished_at, error = row
    if status == "failed":
        one.last_error = error
    else:
        one.last_synced_at, one.last_error = finished_at, None


def _latest(first: datetime | None, second: datetime | None) -> datetime | None:
    moments = [moment for moment in (first, second) if moment]
    return max(moments, default=None)


def _iso(moment: datetime) -> str:
    aware = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    return aware.isoformat(timespec="seconds").replace("+00:00", "Z")
