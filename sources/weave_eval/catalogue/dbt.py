"""The tables and views as sources of dbt: descriptions, tests and freshness, for dbt 1.10.8 and later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from ..tables import Column
from ..warehouse.base import Warehouse
from ..warehouse.profiles import Profile
from .relations import Reference, Relation, references, relations

SOURCE = "weave_eval"
SOURCE_OF_VIEWS = "weave_eval_views"

_HEADER = "# Made by `weave-eval dbt`: make it again after an upgrade, and change nothing here.\n\n"

_RUN_STATUSES = ["running", "completed", "failed", "abandoned"]
_VALUE_TYPES = ["binary", "continuous", "text", "json", "null"]
_ACCEPTED = {
    ("evaluation_runs", "status"): _RUN_STATUSES,
    ("dim_runs", "status"): _RUN_STATUSES,
    ("scores", "value_type"): _VALUE_TYPES,
    ("fct_scores", "value_type"): _VALUE_TYPES,
    ("syncs", "status"): ["loaded", "unchanged", "unreconciled", "failed"],
    ("gate_decisions", "decision"): ["passed", "blocked", "not_judged"],
    ("fct_row_changes", "change"): ["improved", "regressed", "same"],
}
_FRESHNESS: dict[str, dict[str, Any]] = {
    "syncs": {
        "loaded_at_field": "finished_at",
        "freshness": {
            "warn_after": {"count": 12, "period": "hour"},
            "error_after": {"count": 48, "period": "hour"},
            "filter": "status <> 'failed'",
        },
    },
    "evaluation_runs": {
        "loaded_at_field": "synced_at",
        "freshness": {"warn_after": {"count": 14, "period": "day"}},
    },
}
"""How old the newest row may be. A load that finds nothing new leaves a row in `syncs` every few hours."""

_LONG = frozenset({"fct_comparisons", "fct_row_changes"})
"""Views over all pairs of runs: their rows are not tested, for reading them all takes long."""


def dbt_sources(destination: Profile) -> str:
    """`sources.yml` for the tables and views of a destination, with the tests that hold for them."""
    sources = [
        _source(SOURCE, "Evaluation results of W&B Weave, as weave_eval loads them.", destination, is_view=False),
        _source(SOURCE_OF_VIEWS, "Views that answer questions about them.", destination, is_view=True),
    ]
    made = yaml.safe_dump({"version": 2, "sources": sources}, sort_keys=False, allow_unicode=True, width=120)
    return _HEADER + made


def _source(name: str, description: str, destination: Profile, *, is_view: bool) -> dict[str, Any]:
    dataset = destination.dataset_of_views if is_view else destination.dataset
    return {
        "name": name,
        "description": description,
        "schema": f"{{{{ var('{name}_schema', '{destination.warehouse.stored_name(dataset)}') }}}}",
        "tables": [
            _table(one, destination.warehouse) for one in relations() if one.is_view == is_view and _is_there(one)
        ],
    }


def _is_there(relation: Relation) -> bool:
    """Whether every load makes it: predictions are loaded on request."""
    return relation.name != "predictions"


def _table(relation: Relation, warehouse: Warehouse) -> dict[str, Any]:
    stored = warehouse.stored_name(relation.name)
    return {
        "name": relation.name,
        **({"identifier": stored} if stored != relation.name else {}),
        "description": relation.description,
        **({"config": _FRESHNESS[relation.name]} if relation.name in _FRESHNESS else {}),
        **_tests(_of_key(relation, warehouse)),
        "columns": [_column(relation, column, warehouse) for column in relation.columns],
    }


def _of_key(relation: Relation, warehouse: Warehouse) -> Iterator[Any]:
    """A key of several columns is unique as a whole."""
    if len(relation.key) > 1 and relation.name not in _LONG:
        key = warehouse.joined_key(relation.key)
        yield {"unique": {"name": f"unique_{relation.name}_key", "column_name": f"({key})"}}


def _column(relation: Relation, column: Column, warehouse: Warehouse) -> dict[str, Any]:
    return {
        "name": column.name,
        "description": column.description,
        "data_type": warehouse.column_types[column.type],
        **({"config": {"meta": {"origin": column.origin}}} if column.origin else {}),
        **(_tests(_of_column(relation, column)) if relation.name not in _LONG else {}),
    }


def _of_column(relation: Relation, column: Column) -> Iterator[Any]:
    if relation.key == (column.name,):
        yield from ("unique", "not_null")
    if values := _ACCEPTED.get((relation.name, column.name)):
        yield {"accepted_values": {"arguments": {"values": values}}}
    for reference in references():
        if not relation.is_view and reference.relation == relation.name and reference.columns == (column.name,):
            yield from _relationship(reference)


def _relationship(reference: Reference) -> Iterator[Any]:
    """Every row that is named is there; in views it is so by the way they are made."""
    if reference.is_certain:
        arguments = {"to": f"source('{SOURCE}', '{reference.to}')", "field": reference.to_columns[0]}
        yield {"relationships": {"arguments": arguments}}


def _tests(tests: Iterator[Any]) -> dict[str, Any]:
    found = list(tests)
    return {"data_tests": found} if found else {}
