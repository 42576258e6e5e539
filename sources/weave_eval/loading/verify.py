"""A project's runs of any age against the warehouse: missing, changed, grown, unproven and deleted ones.

One listing shows which runs exist and whether their calls changed. Results are not read: one request for a hundred runs
shows which trials each has and when they ended, to compare with those that were read. What the warehouse holds is
compared with what was proven, without a request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import WeaveEvalError
from ..proof.damaged import damaged_runs
from ..reading.run_groups import read_group_calls
from ..reading.trial_calls import growth_marks
from ..rows.privacy import parse_rules
from ..settings import Settings
from ..state.decisions import PlannedRun, ProjectState, Reason, is_abandoned
from ..times import utc_now
from ..warehouse.profiles import Profile
from ..warehouse.stored import StoredRun, stored_runs, stored_trials
from ..warehouse.table_reader import table_reader
from ..weave.runs import Run
from .context import LoadContext, WarehouseStored
from .deletions import gone_runs, require_known_server
from .execution import Execution
from .load import DEFAULTS, LoadOptions, locked
from .outcome import LoadResult
from .pipelines import saved_state
from .planning import Plan, listed_runs
from .resuming import expected_state, lost_now, resume
from .trial_changes import StoredTrials, runs_with_changed_trials
from .unlisted import unlisted_warnings


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


def verify_project(
    settings: Settings, profile: Profile, options: LoadOptions = DEFAULTS, *, is_dry_run: bool = False
) -> Verified:
    """Compares all runs of a project with the warehouse and, unless `is_dry_run`, repairs what differs.

    Raises `SettingsError`, `ApiError`, `DestinationError`, `BusyError` or `LockedOutError`.
    """
    with locked(settings, profile, options) as (location, client, lock):
        resumed = None if is_dry_run else resume(settings.project, profile, location, options.pipelines_dir)
        context = LoadContext(settings, client, WarehouseStored(profile, settings.project))
        if resumed is None:
            expected = expected_state(settings.project, profile)
            findings, _ = _compared(context, profile, expected, is_lost=bool(lost_now(profile)))
            return Verified(findings, None, client.traffic.as_dict())
        execution = Execution(context, profile, resumed, "verify", lock=lock, progress=options.progress)
        try:
            saved = saved_state(resumed.pipeline)
            findings, listed = _compared(context, profile, saved, is_lost=bool(resumed.lost))
            plan = _repair_plan(context, listed, findings)
        except WeaveEvalError as error:
            execution.record_failure(error)
            raise
        return Verified(findings, execution.run(plan), client.traffic.as_dict())


def _compared(
    context: LoadContext, profile: Profile, saved: Mapping[str, Any], *, is_lost: bool
) -> tuple[Findings, dict[str, Run]]:
    """What differs, and the runs that Weave lists; a dataset that has lost tables counts as empty."""
    require_known_server(context, saved)
    project = context.project
    listed = {run.run_id: run for run in listed_runs(context, ProjectState())}
    stored = [] if is_lost else stored_runs(profile, project)
    damaged = _damaged(profile, project, stored)
    trials, has_ends = partial(stored_trials, profile, project), _has_ends(context.settings)
    return compare(context, listed, stored, damaged, trials, has_ends=has_ends), listed


def _damaged(profile: Profile, project: str, stored: Iterable[StoredRun]) -> set[str]:
    """The runs whose rows in the warehouse are no longer those that were proven."""
    proven = [run.run_id for run in stored if run.is_proven]
    if not proven:
        return set()
    with table_reader(profile) as reader:
        return damaged_runs(reader, project, proven)


def compare(
    context: LoadContext,
    listed: dict[str, Run],
    stored: Iterable[StoredRun],
    damaged: Collection[str],
    trials: StoredTrials,
    *,
    has_ends: bool,
) -> Findings:
    """What differs between the runs that Weave lists and those that the warehouse holds.

    Raises `UnconfirmedError` if so many are gone that it is not to be believed.

    `damaged` are runs whose rows in the warehouse are no longer those that were proven; `trials` and `has_ends` as in
    `runs_with_changed_trials`.
    """
    held = {run.run_id: run for run in stored}
    found = Findings(context.project, len(listed))
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
    live = {run_id for run_id, run in held.items() if not run.is_deleted}
    found.deleted = gone_runs(context, live - listed.keys(), live, listed)
    found.grown = runs_with_changed_trials(context.client, same, trials, has_ends=has_ends)
    return found


def _has_ends(settings: Settings) -> bool:
    """Whether the warehouse holds when trials ended: privacy rules may withhold that."""
    rules = parse_rules(settings.privacy or ())
    return all((rule.table, rule.column) != ("trials", "finished_at") for rule in rules)


def _repair_plan(context: LoadContext, listed: dict[str, Run], findings: Findings) -> Plan:
    """What to read, earliest start first, and which runs are gone."""
    now, windows = utc_now(), context.settings.windows()
    runs = sorted((listed[run_id] for run_id in findings.to_read), key=lambda run: (run.started_at, run.run_id))
    open_runs = [run for run in runs if run.is_open]
    growth = growth_marks(read_group_calls(context.client, open_runs).calls)
    missing = set(findings.missing)

    def reason(run: Run) -> Reason:
        if is_abandoned(run, now, windows):
            return "abandoned"
        return "new" if run.run_id in missing else "changed"

    planned = [PlannedRun(run, reason(run), run.fingerprint + growth.get(run.run_id, "")) for run in runs]
    return Plan(context.project, planned, findings.deleted, len(listed), warnings=unlisted_warnings(context))
