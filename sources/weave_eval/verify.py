"""A project's runs of any age against the warehouse: missing, changed, grown, unproven and deleted ones.

One listing tells which runs exist and whether their calls changed. Trials are counted, not read: one request for a
hundred runs tells how many each has, to compare with what was counted at its last reading. What the warehouse holds is
compared with what was proven then, without a request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from .changes import Decision, ProjectState
from .client import WeaveClient
from .destinations import Profile
from .discovery import run_exists, split_lines
from .extraction import Extraction
from .load import Execution, LoadOptions, LoadResult, locked_pipeline
from .runs import Run
from .settings import Settings
from .trial_calls import growth_marks, read_trial_calls
from .warehouse.standing import damaged_runs
from .warehouse.stored import StoredRun, resolved_inputs, run_rows, stored_runs

_RUNS_TOGETHER = 100
_TRIALS_TOGETHER = 20_000
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
            stored_inputs=partial(resolved_inputs, profile, settings.project),
        )
        listed = {run.run_id: run for run in extraction.list_runs(ProjectState())}
        stored = stored_runs(profile, settings.project)
        damaged = damaged_runs(profile, settings.project, [run.run_id for run in stored if run.is_proven])
        findings = compare(client, settings.project, listed, stored, damaged)
        repair = None
        if not is_dry_run:
            extraction.take(_decisions(client, listed, findings), findings.deleted)
            extraction.report.runs_listed = len(listed)
            extraction.report.runs_unchanged = len(listed) - len(findings.to_read)
            repair = Execution(settings, profile, pipeline, extraction, "verify").run()
        return Verified(findings, repair, client.traffic.as_dict())


def compare(
    client: WeaveClient,
    project: str,
    listed: dict[str, Run],
    stored: Iterable[StoredRun],
    damaged: Collection[str] = (),
) -> Findings:
    """What differs between the runs that Weave lists and those that the warehouse holds.

    `damaged` are runs that no longer are in the warehouse as they were proven.
    """
    held = {run.run_id: run for run in stored}
    found = Findings(project, len(listed))
    same: list[StoredRun] = []
    for run_id, run in listed.items():
        known = held.get(run_id)
        if known is None or known.is_deleted:
            found.missing.append(run_id)
        elif known.fingerprint != run.fingerprint:
            found.changed.append(run_id)
        elif not known.is_proven or known.trial_calls is None or run_id in damaged:
            found.unproven.append(run_id)
        else:
            same.append(known)
    found.grown = _grown(client, same)
    absent = [run_id for run_id, run in held.items() if run_id not in listed and not run.is_deleted]
    found.deleted = [run_id for run_id in absent if not run_exists(client, run_id)]
    return found


def _grown(client: WeaveClient, runs: Sequence[StoredRun]) -> list[str]:
    """The runs whose number of trials changed since they were read."""
    grown: list[str] = []
    for group in _groups(runs):
        counts = _count_trials(client, [run.run_id for run in group])
        grown += [run.run_id for run in group if counts[run.run_id] != run.trial_calls]
    return grown


def _groups(runs: Sequence[StoredRun]) -> Iterator[list[StoredRun]]:
    """Runs to count together: at most a hundred, with so many trials that an answer stays small."""
    group: list[StoredRun] = []
    trials = 0
    for run in runs:
        trials += run.trial_calls or 0
        if group and (len(group) == _RUNS_TOGETHER or trials > _TRIALS_TOGETHER):
            yield group
            group, trials = [], run.trial_calls or 0
        group.append(run)
    if group:
        yield group


class _Child(msgspec.Struct):
    parent_id: str | None = None


class _Stats(msgspec.Struct):
    count: int


_CHILD = msgspec.json.Decoder(_Child)
_STATS = msgspec.json.Decoder(_Stats)


def _count_trials(client: WeaveClient, run_ids: Sequence[str]) -> Counter[str]:
    """Trials by run: the trials' parents of several runs, the mere number of one."""
    ops = [f"weave:///{client.project_id}/op/{op}:*" for op in _TRIAL_OPS]
    body: dict[str, Any] = {
        "project_id": client.project_id,
        "filter": {"op_names": ops, "parent_ids": list(run_ids)},
    }
    if len(run_ids) == 1:
        stats = client.post("/calls/query_stats", body, _STATS.decode, purpose="counting trials")
        return Counter({run_ids[0]: stats.count})
    body["columns"] = ["id", "parent_id"]
    return client.post("/calls/stream_query", body, _parents, purpose="counting trials")


def _parents(body: bytes) -> Counter[str]:
    return Counter(str(_CHILD.decode(line).parent_id) for line in split_lines(body))


def _decisions(client: WeaveClient, listed: dict[str, Run], findings: Findings) -> list[Decision]:
    """What to read, earliest start first."""
    runs = sorted((listed[run_id] for run_id in findings.to_read), key=lambda run: (run.started_at, run.run_id))
    open_runs = [run for run in runs if run.is_open]
    growth = growth_marks(read_trial_calls(client, open_runs))
    missing = set(findings.missing)
    return [
        Decision(run, "new" if run.run_id in missing else "changed", run.fingerprint + growth.get(run.run_id, ""))
        for run in runs
    ]
