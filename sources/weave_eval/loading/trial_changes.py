"""Runs whose trials are no longer those that were read: one was added, removed or replaced, or has ended since.

The trials are not read: one request lists those of a hundred runs, to compare with those the warehouse holds. The
trials of a run that has very many are only counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from ..api.calls import count_calls
from ..api.client import WeaveClient
from ..api.json_lines import parse_lines
from ..reading.trial_counts import trials_of
from ..times import parse_time
from ..warehouse.stored import StoredRun

_RUNS_TOGETHER = 100
_TRIALS_TOGETHER = 20_000
_PURPOSE = "comparing the trials"

Ends = Mapping[str, datetime | None]
"""When each trial ended, by its id."""

StoredTrials = Callable[[Collection[str]], Mapping[str, Ends]]
"""Gives the trials that a warehouse holds of runs."""


def runs_with_changed_trials(
    client: WeaveClient, runs: Sequence[StoredRun], stored: StoredTrials, *, has_ends: bool
) -> list[str]:
    """Ids of the runs whose trials changed. `has_ends` says whether the warehouse holds when trials ended."""
    changed: list[str] = []
    for group in _groups(runs):
        if len(group) == 1 and (group[0].trial_calls or 0) > _TRIALS_TOGETHER:
            if count_calls(client, trials_of(client, [group[0].run_id]), _PURPOSE) != group[0].trial_calls:
                changed.append(group[0].run_id)
            continue
        run_ids = [run.run_id for run in group]
        found, held = _read_ends(client, run_ids), stored(run_ids)
        for run in group:
            theirs, ours = found.get(run.run_id, {}), held.get(run.run_id, {})
            if len(theirs) != run.trial_calls or _differ(theirs, ours, has_ends=has_ends):
                changed.append(run.run_id)
    return changed


def _differ(theirs: Ends, ours: Ends, *, has_ends: bool) -> bool:
    """Whether Weave lacks one of our trials, or one has ended since. Weave may list more than its results contain."""
    if ours.keys() - theirs.keys():
        return True
    return has_ends and any(theirs[trial_id] not in (None, ended) for trial_id, ended in ours.items())


def _groups(runs: Sequence[StoredRun]) -> Iterator[list[StoredRun]]:
    """Runs to look at together: at most a hundred, and few enough trials for a small answer."""
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


class _TrialEnd(msgspec.Struct):
    id: str
    parent_id: str | None = None
    ended_at: str | None = None


_TRIAL_END = msgspec.json.Decoder(_TrialEnd)


def _read_ends(client: WeaveClient, run_ids: Sequence[str]) -> dict[str, dict[str, datetime | None]]:
    """When the trials of each run ended."""
    body = {**trials_of(client, run_ids), "columns": ["id", "parent_id", "ended_at"]}
    ends: dict[str, dict[str, datetime | None]] = defaultdict(dict)
    for trial in client.post("/calls/stream_query", body, _parse_ends, purpose=_PURPOSE):
        ends[str(trial.parent_id)][trial.id] = parse_time(trial.ended_at) if trial.ended_at else None
    return ends


def _parse_ends(body: bytes) -> list[_TrialEnd]:
    return parse_lines(body, _TRIAL_END.decode, "trial")
