"""Which runs to read: pure functions of the saved state and of what Weave lists now.

The state of a project holds a cursor (the latest start of a run that was read), the runs that were still open
when last read, and the fingerprints and numbers of trials of the runs inside the lookback window behind the cursor.
A run is read when it is new, when it is open and has grown, when its fingerprint or number of trials changed, and a
last time when it has been open for so long that it counts as abandoned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from ..times import parse_time
from ..weave.runs import Run
from .soundness import CLOCK_SKEW

Reason = Literal["new", "open", "changed", "abandoned"]

Value = TypeVar("Value")

_VERSION = 1


@dataclass(frozen=True)
class Windows:
    """How far back to look: `lookback` behind the cursor for changes, `abandon_after` for runs that never end."""

    lookback: timedelta
    abandon_after: timedelta


@dataclass(frozen=True)
class Seen:
    """A run as it was when last read."""

    started_at: datetime
    fingerprint: str


@dataclass
class ProjectState:
    """What is remembered of a project between loads; `trials` are the numbers of trials of closed runs, if known."""

    cursor: datetime | None = None
    open_runs: dict[str, Seen] = field(default_factory=dict)
    closed_runs: dict[str, Seen] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)

    def known(self) -> set[str]:
        """Ids of all runs that are remembered."""
        return self.open_runs.keys() | self.closed_runs.keys()


@dataclass(frozen=True)
class PlannedRun:
    """A run to read, why, and what to remember of it.

    `trials` is the number of its trials, where it is read because that changed. `is_from_calls` says that its results
    were found to lack trials: all are rebuilt from their calls instead.
    """

    run: Run
    reason: Reason
    fingerprint: str
    trials: int | None = None
    is_from_calls: bool = False

    @property
    def status(self) -> str:
        """The run's status, `abandoned` if it is given up."""
        return "abandoned" if self.reason == "abandoned" else self.run.status


def load_state(saved: Any, now: datetime) -> ProjectState:
    """The state that was saved as `saved`, or an empty one if it is unreadable or lies in the future.

    Starting over is safe: what is read again replaces what is there.
    """
    try:
        if saved["version"] != _VERSION:
            return ProjectState()
        cursor = parse_time(saved["cursor"]) if saved["cursor"] else None
        closed_runs = _load_seen(saved["closed_runs"])
        trials = {run_id: int(count) for run_id, count in saved.get("trials", {}).items() if run_id in closed_runs}
        state = ProjectState(cursor, _load_seen(saved["open_runs"]), closed_runs, trials)
    except (KeyError, TypeError, ValueError, AttributeError):
        return ProjectState()
    return ProjectState() if cursor and cursor > now + CLOCK_SKEW else state


def dump_state(state: ProjectState) -> dict[str, Any]:
    """The state as JSON values, equal for equal states."""
    return {
        "version": _VERSION,
        "cursor": state.cursor.isoformat() if state.cursor else None,
        "open_runs": _dump_seen(state.open_runs),
        "closed_runs": _dump_seen(state.closed_runs),
        "trials": dict(sorted(state.trials.items())),
    }


def _load_seen(saved: dict[str, list[str]]) -> dict[str, Seen]:
    return {str(run_id): Seen(parse_time(started), str(mark)) for run_id, (started, mark) in saved.items()}


def _dump_seen(runs: dict[str, Seen]) -> dict[str, list[str]]:
    return {run_id: [seen.started_at.isoformat(), seen.fingerprint] for run_id, seen in sorted(runs.items())}


def listing_start(state: ProjectState, windows: Windows) -> datetime | None:
    """The earliest start of a run that has to be listed; None for all."""
    if state.cursor is None:
        return None
    starts = [seen.started_at for seen in state.open_runs.values()]
    try:
        return min([state.cursor - windows.lookback, *starts])
    except OverflowError:
        return None


def settled_trials(state: ProjectState, listed: Iterable[Run]) -> dict[str, int]:
    """The numbers of trials, if known, of the runs that have ended and whose fingerprint has not changed."""
    now = {run.run_id: run.fingerprint for run in listed if not run.is_open}
    return {
        run_id: count
        for run_id, count in state.trials.items()
        if run_id in now and now[run_id] == state.closed_runs[run_id].fingerprint
    }


def decide(
    state: ProjectState,
    listed: Iterable[Run],
    growth: Mapping[str, str],
    now: datetime,
    windows: Windows,
    *,
    recounted: Mapping[str, int] | None = None,
) -> list[PlannedRun]:
    """The runs to read, earliest start first.

    `growth` has a fingerprint of the trials of each open run, `recounted` the number of trials of each run that has
    another number than before. Runs that were open come last: as long as they are remembered as open, they keep
    everything since in the listing, also if the load ends before all is read.
    """
    planned_runs = []
    for run in sorted(listed, key=lambda run: (run.run_id in state.open_runs, run.started_at, run.run_id)):
        fingerprint = run.fingerprint + growth.get(run.run_id, "") if run.is_open else run.fingerprint
        trials = recounted.get(run.run_id) if recounted else None
        reason = _reason(state, run, fingerprint, now, windows) or ("changed" if trials is not None else None)
        if reason:
            planned_runs.append(PlannedRun(run, reason, fingerprint, trials))
    return planned_runs


def _reason(state: ProjectState, run: Run, fingerprint: str, now: datetime, windows: Windows) -> Reason | None:
    closed = state.closed_runs.get(run.run_id)
    if closed and closed.fingerprint == fingerprint:
        return None
    if is_abandoned(run, now, windows):
        return "abandoned"
    if closed:
        return "changed"
    was_open = state.open_runs.get(run.run_id)
    if was_open is None:
        return "new"
    return None if was_open.fingerprint == fingerprint else "open"


def is_abandoned(run: Run, now: datetime, windows: Windows) -> bool:
    """Whether the run has been open for so long that it is given up."""
    return run.is_open and now - run.started_at > windows.abandon_after


def advance(
    state: ProjectState,
    read: Sequence[PlannedRun],
    now: datetime,
    windows: Windows,
    trials: Mapping[str, int | None] | None = None,
) -> ProjectState:
    """The state after the runs of `read` were read, with as many `trials` each.

    The cursor never passes `now`: clocks of writers can be wrong.
    """
    open_runs, closed_runs = dict(state.open_runs), dict(state.closed_runs)
    for planned in read:
        run_id = planned.run.run_id
        seen = Seen(planned.run.started_at, planned.fingerprint)
        open_runs.pop(run_id, None)
        closed_runs.pop(run_id, None)
        (open_runs if planned.status == "running" else closed_runs)[run_id] = seen
    starts = [min(planned.run.started_at, now) for planned in read]
    cursor = max([*starts, *([state.cursor] if state.cursor else [])], default=None)
    counts = {**state.trials, **(trials or {})}
    known = {run_id: count for run_id, count in counts.items() if count is not None and run_id in closed_runs}
    return _forget(ProjectState(cursor, open_runs, closed_runs, known), windows)


def postpone(state: ProjectState, unread: Sequence[PlannedRun]) -> ProjectState:
    """The state with runs that could not be read as open ones, so that the next load lists and reads them again."""
    left = forget_runs(state, [planned.run.run_id for planned in unread])
    postponed = {planned.run.run_id: Seen(planned.run.started_at, "") for planned in unread}
    return replace(left, open_runs={**left.open_runs, **postponed})


def forget_runs(state: ProjectState, run_ids: Collection[str]) -> ProjectState:
    """The state without runs that are gone."""
    return ProjectState(
        state.cursor,
        _without(state.open_runs, run_ids),
        _without(state.closed_runs, run_ids),
        _without(state.trials, run_ids),
    )


def _without(known: Mapping[str, Value], run_ids: Collection[str]) -> dict[str, Value]:
    return {run_id: value for run_id, value in known.items() if run_id not in run_ids}


def _forget(state: ProjectState, windows: Windows) -> ProjectState:
    """The state without the closed runs that will not be listed again."""
    start = listing_start(state, windows)
    if start is None:
        return state
    old = {run_id for run_id, seen in state.closed_runs.items() if seen.started_at < start}
    return replace(state, closed_runs=_without(state.closed_runs, old), trials=_without(state.trials, old))
