"""Runs that were read: what Weave said of them, for their proof.

Until they are proven, the saved state names them, with what Weave said but for the stats, which the warehouse has as
Weave gave them. It is saved with their rows: a load that is killed leaves its proof to the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..proof.reconcile import ApiFacts
from .decisions import PlannedRun

_KEY = "unproven"


@dataclass(frozen=True)
class ReadRun:
    """A run that was read: what Weave says it has, and the load that wrote it.

    `planned` is None, and the facts are without stats, if an earlier load read the run.
    """

    planned: PlannedRun | None
    load_id: str
    facts: ApiFacts
    has_no_summary: bool
    trial_calls: int | None
    is_open: bool


def remember(saved: MutableMapping[str, Any], project: str, read: Iterable[ReadRun]) -> None:
    """Saves runs as not proven."""
    for run in read:
        unproven = saved.setdefault(_KEY, {}).setdefault(project, {})
        unproven[run.facts.run_id] = [
            run.load_id,
            run.facts.row_count,
            run.facts.trial_count,
            run.trial_calls,
            run.has_no_summary,
            run.is_open,
        ]


def forget(saved: MutableMapping[str, Any], project: str, run_ids: Collection[str]) -> None:
    """Saves that runs are proven, or gone."""
    unproven = saved.get(_KEY, {}).get(project, {})
    for run_id in set(run_ids).intersection(unproven):
        del unproven[run_id]


def recall(saved: Mapping[str, Any], project: str, known: Collection[str]) -> dict[str, ReadRun]:
    """The runs that are saved as not proven, but for those `known`, by id."""
    unproven = saved.get(_KEY, {}).get(project, {})
    return {run_id: _recalled(run_id, values) for run_id, values in unproven.items() if run_id not in known}


def _recalled(run_id: str, values: Sequence[Any]) -> ReadRun:
    load_id, rows, trials, trial_calls, has_no_summary, is_open = values
    facts = ApiFacts(run_id, rows, trials, [], has_stats=not has_no_summary, trial_calls=trial_calls)
    return ReadRun(None, load_id, facts, has_no_summary, trial_calls, is_open)
