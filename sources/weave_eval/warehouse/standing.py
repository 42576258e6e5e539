"""Whether what was proven still stands: rows can be lost in a warehouse too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, select

from ..destinations import Profile
from ..pages import ScorerStat
from ..reconcile import ApiFacts, Landed, reconcile
from .engine import reading
from .metadata import sql_tables
from .proof import landed

_MAX_IDS = 500
_STAT_FIELDS = (
    "path", "value_type", "trial_count", "numeric_count", "numeric_mean", "pass_known_count", "pass_true_count",
    "pass_rate", "pass_signal_coverage",
)  # fmt: skip


def damaged_runs(profile: Profile, project: str, run_ids: Sequence[str]) -> set[str]:
    """The runs whose rows are no longer those that were proven, or whose inputs are missing."""
    damaged: set[str] = set()
    if not run_ids:
        return damaged
    tables = sql_tables(profile.dataset)
    with reading(profile) as connection:
        for start in range(0, len(run_ids), _MAX_IDS):
            chunk = run_ids[start : start + _MAX_IDS]
            found = landed(connection, profile.dataset, chunk)
            facts = _facts(connection, tables, chunk)
            damaged |= {run_id for run_id in chunk if not _stands(facts.get(run_id), found[run_id])}
            damaged |= set(_without_inputs(connection, tables, project, chunk))
    return damaged


def _stands(fact: tuple[ApiFacts, int, int] | None, found: Landed) -> bool:
    if fact is None:
        return False
    facts, rows, trials = fact
    return (found.row_count, found.trial_count) == (rows, trials) and reconcile(facts, found).is_reconciled


def _facts(
    connection: Connection, tables: dict[str, Table], run_ids: Sequence[str]
) -> dict[str, tuple[ApiFacts, int, int]]:
    """What Weave said of each run when it was proven, and the rows and trials that had landed."""
    stats = _stats(connection, tables["scorer_stats"], run_ids)
    proofs = tables["reconciliations"].c
    columns = (proofs.run_id, proofs.api_row_count, proofs.api_trial_count, proofs.row_count, proofs.trial_count)
    rows = connection.execute(select(*columns).where(proofs.run_id.in_(run_ids)))
    return {
        run_id: (ApiFacts(run_id, api_rows, api_trials, stats.get(run_id, [])), row_count, trial_count)
        for run_id, api_rows, api_trials, row_count, trial_count in rows
    }


def stored_stats(connection: Connection, dataset: str, run_ids: Sequence[str]) -> dict[str, list[ScorerStat]]:
    """The stats of runs as they were loaded."""
    found: dict[str, list[ScorerStat]] = {}
    for start in range(0, len(run_ids), _MAX_IDS):
        found |= _stats(connection, sql_tables(dataset)["scorer_stats"], run_ids[start : start + _MAX_IDS])
    return found


def _stats(connection: Connection, table: Table, run_ids: Sequence[str]) -> dict[str, list[ScorerStat]]:
    columns = (table.c.run_id, table.c.scorer_name, *(table.c[name] for name in _STAT_FIELDS))
    found: dict[str, list[ScorerStat]] = defaultdict(list)
    for run_id, scorer, *values in connection.execute(select(*columns).where(table.c.run_id.in_(run_ids))):
        fields: dict[str, Any] = dict(zip(_STAT_FIELDS, values, strict=True))
        found[run_id].append(ScorerStat(scorer_key=scorer, **fields))
    return found


def _without_inputs(
    connection: Connection, tables: dict[str, Table], project: str, run_ids: Sequence[str]
) -> Iterator[str]:
    """The runs that have a result row whose input is not in `dataset_rows`."""
    rows, inputs = tables["result_rows"], tables["dataset_rows"]
    same = and_(inputs.c.project_id == project, inputs.c.row_digest == rows.c.row_digest)
    query = select(rows.c.run_id).distinct().select_from(rows.outerjoin(inputs, same))
    yield from connection.scalars(query.where(rows.c.run_id.in_(run_ids), inputs.c.row_digest.is_(None)))
