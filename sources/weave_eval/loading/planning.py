"""What a load has to read: which runs, why, and which of the known ones Weave no longer has.

One listing of the project, the trials of its open runs, and one count of those of the others is all that is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import TerminalApiError
from ..reading.discovery import list_runs, list_v2_run_ids, read_v2_run
from ..reading.predictions import is_v2_run
from ..reading.run_groups import read_group_calls
from ..reading.trial_calls import growth_marks
from ..reading.trial_counts import changed_counts
from ..state.decisions import PlannedRun, ProjectState, decide, listing_start, load_state, settled_trials
from ..times import utc_now
from ..weave.runs import Run
from .context import LoadContext
from .deletions import gone_runs, require_known_server
from .unlisted import unlisted_warnings


@dataclass(frozen=True)
class Plan:
    """What to read: `runs` in this order; `gone` are known runs that Weave no longer has.

    `state` is what the plan was made from; None stands for the saved state of the moment when it is carried out.
    `warnings` are about what was noticed on the way.
    """

    project: str
    runs: Sequence[PlannedRun] = ()
    gone: Sequence[str] = ()
    runs_listed: int = 0
    runs_open: int = 0
    state: ProjectState | None = None
    warnings: Sequence[str] = ()

    @property
    def runs_unchanged(self) -> int:
        """Runs that were listed and need not be read."""
        return self.runs_listed - len(self.runs)

    @property
    def runs_to_read(self) -> int:
        """Runs that would be read."""
        return len(self.runs)

    @property
    def reasons(self) -> dict[str, int]:
        """Counts of the runs by why they would be read."""
        return dict(Counter(planned.reason for planned in self.runs))

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "project": self.project,
            "status": "planned",
            "runs_listed": self.runs_listed,
            "runs_to_read": self.runs_to_read,
            "reasons": self.reasons,
        }


def make_plan(context: LoadContext, saved: Mapping[str, Any]) -> Plan:
    """Lists the project and decides what to read, given the saved state of the source.

    Raises `UnconfirmedError` if Weave's answer is not to be believed.
    """
    require_known_server(context, saved)
    now = utc_now()
    starts_over = context.is_range or context.is_full
    state = ProjectState() if starts_over else load_state(saved.get("projects", {}).get(context.state_key), now)
    listed = listed_runs(context, state)
    open_runs = [run for run in listed if run.is_open]
    growth = growth_marks(read_group_calls(context.client, open_runs).calls)
    recounted = changed_counts(context.client, settled_trials(state, listed))
    return Plan(
        project=context.project,
        runs=decide(state, listed, growth, now, context.settings.windows(), recounted=recounted),
        gone=_gone_runs(context, state, {run.run_id for run in listed}),
        runs_listed=len(listed),
        runs_open=len(open_runs),
        state=state,
        warnings=unlisted_warnings(context) if state.cursor is None else (),
    )


def listed_runs(context: LoadContext, state: ProjectState) -> list[Run]:
    """The runs that Weave has since the state's listing start, latest first."""
    wanted = context.wanted
    since = wanted.since or listing_start(state, context.settings.windows())
    known = state.known() or wanted.run_ids
    listed = list_runs(context.client, replace(wanted, since=since), known, context.evaluate_ops)
    _require_named(context, {run.run_id for run in listed})
    if not context.settings.only_v2_runs:
        return listed
    v2 = set(list_v2_run_ids(context.client))
    return [run for run in listed if run.run_id in v2 or is_v2_run(run)]


def _require_named(context: LoadContext, listed: set[str]) -> None:
    """Raises a sentence if a run that was named is not listed."""
    for run_id in set(context.wanted.run_ids) - listed:
        read_v2_run(context.client, run_id)
        raise TerminalApiError(
            f"The run {run_id} of {context.project} is an evaluation, but its op is not in evaluate_ops "
            "or it does not match the other filters. Name its op in evaluate_ops."
        )


def _gone_runs(context: LoadContext, state: ProjectState, listed: set[str]) -> list[str]:
    """The runs that were there before and that Weave now says it does not have."""
    if context.is_range or context.state_key != context.project:
        return []
    if not context.is_full:
        return gone_runs(context, state.known() - listed, state.known(), listed)
    known = state.known() | context.stored.run_ids()
    return gone_runs(context, known - listed, state.known() | context.stored.live_run_ids(), listed)
