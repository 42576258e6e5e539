"""What landed of runs, counted and aggregated in the warehouse: the half of a reconciliation that is ours.

Scores are told apart by `value_type`, so that privacy rules on texts change no count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, case, func, select

from ..reconcile import LARGEST_SUMMED, Landed, Leaf
from .metadata import sql_tables

_MAX_IDS = 500
"""Runs asked for in one query; some warehouses bound the number of parameters."""


def landed(connection: Connection, dataset: str, run_ids: Sequence[str]) -> dict[str, Landed]:
    """What the tables of `dataset` hold of each of the runs, by run id; zeros for a run without rows."""
    tables = sql_tables(dataset)
    unique = list(dict.fromkeys(run_ids))
    found: dict[str, Landed] = {}
    for start in range(0, len(unique), _MAX_IDS):
        chunk = unique[start : start + _MAX_IDS]
        rows = _counts(connection, _rows(tables["result_rows"], chunk))
        trials = _counts(connection, _trials(tables["trials"], chunk))
        leaves = _leaves(connection, tables["scores"], chunk)
        for run_id in chunk:
            (row_count,) = rows.get(run_id, (0,))
            trial_count, trial_row_count = trials.get(run_id, (0, 0))
            found[run_id] = Landed(run_id, row_count, trial_count, trial_row_count, leaves.get(run_id, []))
    return found


def _rows(table: Table, run_ids: Sequence[str]) -> Select[Any]:
    return select(table.c.run_id, func.count()).where(table.c.run_id.in_(run_ids)).group_by(table.c.run_id)


def _trials(table: Table, run_ids: Sequence[str]) -> Select[Any]:
    distinct_rows = func.count(table.c.row_digest.distinct())
    query = select(table.c.run_id, func.count(), distinct_rows)
    return query.where(table.c.run_id.in_(run_ids)).group_by(table.c.run_id)


def _counts(connection: Connection, query: Select[Any]) -> dict[str, tuple[int, ...]]:
    return {run_id: tuple(map(int, counts)) for run_id, *counts in connection.execute(query)}


def _leaves(connection: Connection, scores: Table, run_ids: Sequence[str]) -> dict[str, list[Leaf]]:
    keys = (scores.c.run_id, scores.c.scorer_name, scores.c.path)
    query = select(*keys, *_aggregates(scores)).where(scores.c.run_id.in_(run_ids)).group_by(*keys)
    found: dict[str, list[Leaf]] = defaultdict(list)
    for row in connection.execute(query):
        found[row[0]].append(_leaf(row))
    return found


def _aggregates(scores: Table) -> Iterator[ColumnElement[Any]]:
    """The columns of a leaf after its scorer and path, in the order in which `_leaf` reads them."""
    number, is_number = scores.c.value_number, scores.c.value_type == "continuous"
    is_summed = and_(is_number, func.abs(number) < LARGEST_SUMMED)
    yield _count(scores.c.value_type == "binary")
    yield _count(and_(scores.c.value_type == "binary", scores.c.value_bool))
    yield _count(is_number)
    yield _count(is_summed)
    yield func.sum(case((is_summed, number)))
    yield func.sum(case((is_summed, func.abs(number))))
    yield _count(scores.c.value_type == "text")
    yield _count(scores.c.value_type == "null")


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


def _leaf(row: Row[Any]) -> Leaf:
    _, scorer_name, path, binary, true, numbers, summed, total, magnitude, texts, nulls = row
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
