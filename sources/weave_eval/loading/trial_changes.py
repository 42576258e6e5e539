"""Runs whose trials are no longer those that were read: one came, went, took another's place, or ended since.

Trials are told apart, not read: one request names those of a hundred runs, to compare with what the warehouse holds.
Those of a run that has very many are counted only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from ..api.calls import count_calls
from ..api.client import WeaveClient
from ..api.json_lines import split_lines
from ..errors import UnreadableBodyError
from ..times import parse_time
from ..warehouse.stored import StoredRun

_RUNS_TOGETHER = 100
_TRIALS_TOGETHER = 20_000
_TRIAL_OPS = ("Evaluation.predict_and_score", "Evaluation.predictAndScore")
_PURPOSE = "comparing the trials"

Ends = Mapping[str, datetime | None]
"""When each trial ended, by its id."""

StoredTrials = Callable[[Collection[str]], Mapping[str, Ends]]
"""Gives the trials that a warehouse holds of runs."""


def grown_runs(client: WeaveClient, runs: Sequence[StoredRun], stored: StoredTrials, *, has_ends: bool) -> list[str]:
    """The runs whose trials changed. `has_ends` says that the warehouse is told when trials end."""
    grown: list[str] = []
    for group in _groups(runs):
        if len(group) == 1 and (group[0].trial_calls or 0) > _TRIALS_TOGETHER:
            query = _query(client, [group[0].run_id])
            grown += [group[0].run_id] if count_calls(client, query, _PURPOSE) != group[0].trial_calls else []
            continue
        run_ids = [run.run_id for run in group]
        found, held = _read_ends(client, run_ids), stored(run_ids)
        for run in group:
            theirs, ours = found.get(run.run_id, {}), held.get(run.run_id, {})
            if len(theirs) != run.trial_calls or _differ(theirs, ours, has_ends=has_ends):
                grown.append(run.run_id)
    return grown


def _differ(theirs: Ends, ours: Ends, *, has_ends: bool) -> bool:
    """Whether Weave lacks one of our trials, or one has ended since. It may have more: some it does not deliver."""
    if ours.keys() - theirs.keys():
        return True
    return has_ends and any(theirs[trial_id] not in (None, ended) for trial_id, ended in ours.items())


def _groups(runs: Sequence[StoredRun]) -> Iterator[list[StoredRun]]:
    """Runs to look at together: at most a hundred, with so many trials that an answer stays small."""
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


class _Trial(msgspec.Struct):
    id: str
    parent_id: str | None = None
    ended_at: str | None = None


_TRIAL = msgspec.json.Decoder(_Trial)


def _query(client: WeaveClient, run_ids: Sequence[str]) -> dict[str, Any]:
    ops = [f"weave:///{client.project_id}/op/{op}:*" for op in _TRIAL_OPS]
    return {"project_id": client.project_id, "filter": {"op_names": ops, "parent_ids": list(run_ids)}}


def _read_ends(client: WeaveClient, run_ids: Sequence[str]) -> dict[str, dict[str, datetime | None]]:
    """When the trials of each run ended."""
    body = {**_query(client, run_ids), "columns": ["id", "parent_id", "ended_at"]}
    ends: dict[str, dict[str, datetime | None]] = defaultdict(dict)
    for trial in client.post("/calls/stream_query", body, _parse_trials, purpose=_PURPOSE):
        ends[str(trial.parent_id)][trial.id] = parse_time(trial.ended_at) if trial.ended_at else None
    return ends


def _parse_trials(body: bytes) -> list[_Trial]:
    try:
        return [_TRIAL.decode(line) for line in split_lines(body)]
    except msgspec.MsgspecError as error:
        raise UnreadableBodyError(f"a line is no trial: {error}") from None
