"""A project's runs of any age against the warehouse: missing, changed, grown, unproven and deleted ones.

One listing tells which runs exist and whether their calls changed. Trials are counted, not read: one count for a
hundred runs, and only where it differs from what was counted at the last reading are the hundred halved until the
runs stand alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from .changes import Decision, ProjectState
from .client import WeaveClient
from .destinations import Profile
from .discovery import run_exists
from .extraction import Extraction
from .load import Execution, LoadOptions, LoadResult, locked_pipeline
from .runs import Run
from .settings import Settings
from .trial_calls import growth_marks, read_trial_calls
from .warehouse.stored import StoredRun, run_rows, stored_runs

_COUNTED_TOGETHER = 100
_TRIAL_OPS = ("Evaluation.predict_and_score", "Evaluation.predictAndScore")


@dataclass
class Findings:
    """What differs between Weave and a warehouse: ids of runs. A run is in one list only."""

    project: str
    runs_listed: int = 0
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    grown: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    @property
    def to_read(self) -> set[str]:
        """The runs that have to be read again."""
        return {*self.missing, *self.changed, *self.grown, *self.unproven}

    @property
    def is_clean(self) -> bool:
        """Whether the warehouse holds what Weave has."""
        return not self.to_read and not self.deleted

    def as_dict(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return {**vars(self), "is_clean": self.is_clean}


@dataclass
class Verified:
    """What was found, and the load that repaired it; None if nothing had to be repaired or it was a dry run."""

    findings: Findings
    repair: LoadResult | None
    traffic: dict[str, int]


def verify_project(settings: Settings, profile: Profile, options: LoadOptions, *, is_dry_run: bool = False) -> Verified:
    """Compares all runs of a project with the warehouse and, unless `is_dry_run`, repairs what differs.

    Raises `SettingsError`, `ApiError`, `DestinationError` or `BusyError`.
    """
    with locked_pipeline(settings, profile, options) as (pipeline, client):
        extraction = Extraction(
            settings,
            client=client,
            progress=options.progress,
            chunk_runs=settings.package_runs,
            stored_runs=partial(run_rows, profile),
        )
        listed = {run.run_id: run for run in extraction.list_runs(ProjectState())}
        findings = compare(client, settings.project, listed, stored_runs(profile, settings.project))
        repair = None
        if not is_dry_run:
            extraction.take(_decisions(client, listed, findings), findings.deleted)
            extraction.report.runs_listed = len(listed)
            extraction.report.runs_unchanged = len(listed) - len(findings.to_read)
            repair = Execution(settings, profile, pipeline, extraction, "verify").run()
        return Verified(findings, repair, client.traffic.as_dict())


def compare(client: WeaveClient, project: str, listed: dict[str, Run], stored: Iterable[StoredRun]) -> Findings:
    """What differs between the runs that Weave lists and those that the warehouse holds."""
    held = {run.run_id: run for run in stored}
    found = Findings(project, len(listed))
    same: list[StoredRun] = []
    for run_id, run in listed.items():
        known = held.get(run_id)
        if known is None or known.is_deleted:
            found.missing.append(run_id)
        elif known.fingerprint != run.fingerprint:
            found.changed.append(run_id)
        elif not known.is_proven or known.trial_calls is None:
            found.unproven.append(run_id)
        else:
            same.append(known)
    for start in range(0, len(same), _COUNTED_TOGETHER):
        found.grown += _grown(client, same[start : start + _COUNTED_TOGETHER])
    absent = [run_id for run_id, run in held.items() if run_id not in listed and not run.is_deleted]
    found.deleted = [run_id for run_id in absent if not run_exists(client, run_id)]
    return found


def _grown(client: WeaveClient, runs: Sequence[StoredRun]) -> list[str]:
    """The runs whose number of trials changed since they were read."""
    if _count_trials(client, [run.run_id for run in runs]) == sum(run.trial_calls or 0 for run in runs):
        return []
    if len(runs) == 1:
        return [runs[0].run_id]
    middle = len(runs) // 2
    return _grown(client, runs[:middle]) + _grown(client, runs[middle:])


class _Stats(msgspec.Struct):
    count: int


_STATS = msgspec.json.Decoder(_Stats)


def _count_trials(client: WeaveClient, run_ids: list[str]) -> int:
    ops = [f"weave:///{client.project_id}/op/{op}:*" for op in _TRIAL_OPS]
    body = {"project_id": client.project_id, "filter": {"op_names": ops, "parent_ids": run_ids}}
    return client.post("/calls/query_stats", body, _STATS.decode, purpose="counting trials").count


def _decisions(client: WeaveClient, listed: dict[str, Run], findings: Findings) -> list[Decision]:
    """What to read, earliest start first."""
    runs = sorted((listed[run_id] for run_id in findings.to_read), key=lambda run: (run.started_at, run.run_id))
    open_runs = [run for run in runs if run.is_open]
    growth = growth_marks(read_trial_calls(client, open_runs)) if open_runs else {}
    missing = set(findings.missing)
    return [
        Decision(run, "new" if run.run_id in missing else "changed", run.fingerprint + growth.get(run.run_id, ""))
        for run in runs
    ]
