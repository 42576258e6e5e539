"""LookML measures of a table or view, by the kind and name of its columns."""

from __future__ import annotations

from collections.abc import Iterator

from ...judging.precision import LARGEST
from ...tables import Column
from ...warehouse.base import Warehouse
from ..relations import Relation
from .dimensions import TIMEFRAMES, Field, column_sql, group_name

_PERCENTILES = (50, 95, 99)
_SUMMED = ("total_tokens", "total_cost")
_WEIGHTS = (
    ("pass_rate", "pass_count", "scored_count"),
    ("error_rate", "error_count", "expected_trial_count"),
    ("missing_rate", "missing_count", "expected_trial_count"),
)
"""Rates of groups of trials, with the counts they are made of."""

_SHARE, _DOLLARS, _SECONDS = "0.0%", "$#,##0.0000", "0.00"


def measures(relation: Relation, warehouse: Warehouse) -> list[Field]:
    """Counts, shares, means, sums and percentiles; none has the name of a dimension."""
    made = [_count(relation), *_of_columns(relation, warehouse), *_of_groups(relation, warehouse)]
    taken = set(_dimension_names(relation))
    return [measure for measure in made if measure["name"] not in taken]


def _dimension_names(relation: Relation) -> Iterator[str]:
    for column in relation.columns:
        if column.type == "timestamp":
            yield from (f"{group_name(column.name)}_{timeframe}" for timeframe in TIMEFRAMES)
        else:
            yield column.name


def _count(relation: Relation) -> Field:
    return {"name": "count", "type": "count", "description": f"Rows: {relation.row.partition(';')[0].rstrip('.')}."}


def _of_columns(relation: Relation, warehouse: Warehouse) -> Iterator[Field]:
    for column in relation.columns:
        sql = column_sql(column.name, warehouse)
        if column.type == "bool":
            yield _rate(column, sql)
        elif column.name == "latency_seconds":
            yield from _latencies(sql)
        elif column.name in _SUMMED or (column.type == "bigint" and column.name.endswith("_count")):
            yield _sum(column, sql)
            yield _average(column, sql)
        elif column.type == "double":
            yield _average(column, f"CASE WHEN ABS({sql}) < {LARGEST:.0e} THEN {sql} END")
        elif column.name == "run_id" and relation.key != ("run_id",):
            yield {"name": "run_count_distinct", "type": "count_distinct", "sql": sql, "description": "Runs."}


def _rate(column: Column, sql: str) -> Field:
    """The share of true among true and false."""
    name = column.name.partition("_")[2] if column.name.startswith(("is_", "has_")) else column.name
    return {
        "name": f"{'pass' if name == 'passed' else name}_rate",
        "type": "average",
        "sql": f"CASE WHEN {sql} THEN 1.0 WHEN NOT {sql} THEN 0.0 END",
        "value_format": _SHARE,
        "description": f"Share of yes: {column.description}".replace('"', "'"),
    }


def _latencies(sql: str) -> Iterator[Field]:
    yield {
        "name": "latency_mean",
        "type": "average",
        "sql": sql,
        "value_format": _SECONDS,
        "description": "Mean latency, in seconds.",
    }
    for percentile in _PERCENTILES:
        yield {
            "name": f"latency_p{percentile}",
            "type": "percentile",
            "percentile": str(percentile),
            "sql": sql,
            "value_format": _SECONDS,
            "description": f"Percentile {percentile} of latency, in seconds.",
        }


def _sum(column: Column, sql: str) -> Field:
    return {"name": f"{column.name}_sum", "type": "sum", "sql": sql, **_shown(column, "Sum")}


def _average(column: Column, sql: str) -> Field:
    return {"name": f"{column.name}_average", "type": "average", "sql": sql, **_shown(column, "Mean")}


def _shown(column: Column, what: str) -> Field:
    if "cost" in column.name:
        value_format = _DOLLARS
    elif column.name.endswith(("_rate", "_share", "coverage", "agreement")):
        value_format = _SHARE
    else:
        value_format = "#,##0" if what == "Sum" else "#,##0.000"
    described = f"{what} over the rows: {column.description}".replace('"', "'")
    return {"value_format": value_format, "description": described}


def _of_groups(relation: Relation, warehouse: Warehouse) -> Iterator[Field]:
    """Rates and means over the trials of all rows, each row by its number of trials."""
    for rate, part, whole in _WEIGHTS:
        if relation.has(rate, part, whole):
            known = f"CASE WHEN {column_sql(rate, warehouse)} IS NOT NULL THEN {column_sql(whole, warehouse)} END"
            yield _ratio(f"overall_{rate}", f"SUM({column_sql(part, warehouse)})", known, _SHARE)
    if relation.has("mean_value", "scored_count"):
        weight = column_sql("scored_count", warehouse)
        weighted = f"SUM({column_sql('mean_value', warehouse)} * {weight})"
        yield _ratio("overall_mean", weighted, weight, "#,##0.000")


def _ratio(name: str, part: str, whole: str, value_format: str) -> Field:
    return {
        "name": name,
        "type": "number",
        "sql": f"1.0 * {part} / NULLIF(SUM({whole}), 0)",
        "value_format": value_format,
        "description": "Over the trials of all rows: each row is weighted by its number of trials.",
    }
