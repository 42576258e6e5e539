"""What landed of runs, counted and aggregated in the warehouse: the half of a reconciliation that is ours.

Scores are distinguished by `value_type`, so privacy rules on text change no count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from .reconcile import LARGEST_SUMMED, Landed, Leaf
from .rows_held import RowsHeld

_OF_THE_RUNS = "WHERE project_id = %s AND run_id IN ({keys}) GROUP BY run_id"
_ROWS = f"SELECT run_id, COUNT(*) FROM {{result_rows}} {_OF_THE_RUNS}"
_TRIALS = f"SELECT run_id, COUNT(*), COUNT(DISTINCT row_digest) FROM {{trials}} {_OF_THE_RUNS}"
_IS_SUMMED = f"value_type = 'continuous' AND ABS(value_number) < {LARGEST_SUMMED}"
_LEAVES = f"""
SELECT run_id, scorer_name, path,
  SUM(CASE WHEN value_type = 'binary' THEN 1 ELSE 0 END),
  SUM(CASE WHEN value_type = 'binary' AND value_bool THEN 1 ELSE 0 END),
  SUM(CASE WHEN value_type = 'continuous' THEN 1 ELSE 0 END),
  SUM(CASE WHEN {_IS_SUMMED} THEN 1 ELSE 0 END),
  SUM(CASE WHEN {_IS_SUMMED} THEN value_number END),
  SUM(CASE WHEN {_IS_SUMMED} THEN ABS(value_number) END),
  SUM(CASE WHEN value_type = 'text' THEN 1 ELSE 0 END),
  SUM(CASE WHEN value_type = 'null' THEN 1 ELSE 0 END)
FROM {{scores}} {_OF_THE_RUNS}, scorer_name, path"""


def landed(reader: RowsHeld, project: str, run_ids: Sequence[str]) -> dict[str, Landed]:
    """What the tables hold of each of the project's runs, by run id; zeros for a run without rows."""
    unique = list(dict.fromkeys(run_ids))
    rows = _counts(reader, _ROWS, project, unique)
    trials = _counts(reader, _TRIALS, project, unique)
    leaves: dict[str, list[Leaf]] = defaultdict(list)
    for run_id, *leaf in reader.rows_of(_LEAVES, unique, project):
        leaves[run_id].append(_leaf(*leaf))
    found: dict[str, Landed] = {}
    for run_id in unique:
        (row_count,) = rows.get(run_id, (0,))
        trial_count, trial_row_count = trials.get(run_id, (0, 0))
        found[run_id] = Landed(run_id, row_count, trial_count, trial_row_count, leaves.get(run_id, []))
    return found


def _counts(reader: RowsHeld, query: str, project: str, run_ids: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {run_id: tuple(map(int, counts)) for run_id, *counts in reader.rows_of(query, run_ids, project)}


def _leaf(scorer_name: str, path: str, *aggregates: Any) -> Leaf:
    binary, true, numbers, summed, total, magnitude, texts, nulls = aggregates
    return Leaf(
        scorer_name=scorer_name,
        path=path,
        binary_count=int(binary),
        true_count=int(true),
        number_count=int(numbers),
        number_sum=float(total or 0),
        number_magnitude=float(magnitude or 0),
        unsummed_count=int(numbers) - int(summed),
        text_count=int(texts),
        null_count=int(nulls),
    )
