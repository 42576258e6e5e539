"""Whether the rows that were proven are still there: a warehouse can lose rows too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..weave.pages import ScorerStat
from .landed import landed
from .reconcile import ApiFacts, Landed, reconcile
from .rows_held import RowsHeld

_STAT_FIELDS = (
    "path", "value_type", "trial_count", "numeric_count", "numeric_mean", "pass_known_count", "pass_true_count",
    "pass_rate", "pass_signal_coverage",
)  # fmt: skip
_OF_THE_RUNS = "WHERE project_id = %s AND run_id IN ({keys})"
_STATS = f"SELECT run_id, scorer_name, {', '.join(_STAT_FIELDS)} FROM {{scorer_stats}} {_OF_THE_RUNS}"
_PROOFS = f"""
SELECT run_id, api_row_count, api_trial_count, row_count, trial_count FROM {{reconciliations}} {_OF_THE_RUNS}"""
_WITHOUT_INPUTS = """
SELECT DISTINCT r.run_id FROM {result_rows} r
LEFT JOIN {dataset_rows} d ON d.project_id = r.project_id AND d.row_digest = r.row_digest
WHERE d.row_digest IS NULL AND r.project_id = %s AND r.run_id IN ({keys})"""


def damaged_runs(reader: RowsHeld, project: str, run_ids: Sequence[str]) -> set[str]:
    """The runs whose rows are no longer those that were proven, or whose inputs are missing."""
    found = landed(reader, project, run_ids)
    facts = _facts(reader, project, run_ids)
    without_inputs = {run_id for (run_id,) in reader.rows_of(_WITHOUT_INPUTS, run_ids, project)}
    return without_inputs | {run_id for run_id in run_ids if not _is_intact(facts.get(run_id), found[run_id])}


def _is_intact(fact: tuple[ApiFacts, int, int] | None, found: Landed) -> bool:
    if fact is None:
        return False
    facts, rows, trials = fact
    return (found.row_count, found.trial_count) == (rows, trials) and reconcile(facts, found).is_reconciled


def _facts(reader: RowsHeld, project: str, run_ids: Sequence[str]) -> dict[str, tuple[ApiFacts, int, int]]:
    """What Weave said of each run when it was proven, and the rows and trials that had landed."""
    stats = stored_stats(reader, project, run_ids)
    return {
        run_id: (ApiFacts(run_id, api_rows, api_trials, stats.get(run_id, [])), row_count, trial_count)
        for run_id, api_rows, api_trials, row_count, trial_count in reader.rows_of(_PROOFS, run_ids, project)
    }


def stored_stats(reader: RowsHeld, project: str, run_ids: Sequence[str]) -> dict[str, list[ScorerStat]]:
    """The stats of a project's runs as they were loaded."""
    found: dict[str, list[ScorerStat]] = defaultdict(list)
    for run_id, scorer, *values in reader.rows_of(_STATS, run_ids, project):
        fields: dict[str, Any] = dict(zip(_STAT_FIELDS, values, strict=True))
        found[run_id].append(ScorerStat(scorer_key=scorer, **fields))
    return found
