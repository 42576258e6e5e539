"""How many trials runs that have ended have now: one request counts those of all, more are made only if it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..api.calls import count_calls
from ..api.client import WeaveClient
from ..api.query import any_of, contains, where
from ..weave.trials import TRIAL_METHODS

_RUNS_TOGETHER = 5_000
_PURPOSE = "counting the trials of runs that have ended"


def trials_of(client: WeaveClient, run_ids: Sequence[str]) -> dict[str, Any]:
    """The query for the trial calls of runs."""
    is_trial = any_of([contains("op_name", method) for method in TRIAL_METHODS])
    return {"project_id": client.project_id, "filter": {"parent_ids": list(run_ids)}, "query": where(is_trial)}


def changed_counts(client: WeaveClient, known: Mapping[str, int]) -> dict[str, int]:
    """The numbers of trials of those runs of which Weave counts another number than the `known` one.

    All are counted together and halved where the sum differs, so that one run among thousands takes a dozen requests.
    Two runs of which one gained what the other lost can be missed: `verify` compares the trials themselves.
    """
    run_ids, changed = list(known), dict[str, int]()
    for start in range(0, len(run_ids), _RUNS_TOGETHER):
        group = run_ids[start : start + _RUNS_TOGETHER]
        changed.update(_differing(client, known, group, _count(client, group)))
    return changed


def _differing(
    client: WeaveClient, known: Mapping[str, int], run_ids: Sequence[str], counted: int
) -> Iterator[tuple[str, int]]:
    if counted == sum(known[run_id] for run_id in run_ids):
        return
    if len(run_ids) == 1:
        yield run_ids[0], counted
        return
    half = len(run_ids) // 2
    first = _count(client, run_ids[:half])
    yield from _differing(client, known, run_ids[:half], first)
    yield from _differing(client, known, run_ids[half:], counted - first)


def _count(client: WeaveClient, run_ids: Sequence[str]) -> int:
    return count_calls(client, trials_of(client, run_ids), _PURPOSE)
