"""LookML explores: a table or view with what its ids lead to."""

from __future__ import annotations

from collections.abc import Iterator

from ..relations import Reference, Relation, references, relations
from .dimensions import Field, plain

_EXPLORED_TABLES = ("scorer_stats", "feedback", "reconciliations", "syncs")
"""Tables that no view stands for."""

_GROUP = "Weave evaluations"


def explored() -> list[Relation]:
    """The tables and views that an explore starts from."""
    return [r for r in relations() if r.name in (*_EXPLORED_TABLES, "dim_runs") or r.name.startswith("fct_")]


def needed() -> list[Relation]:
    """The tables and views that explores start from or join."""
    names = {relation.name for relation in explored()}
    names |= {reference.to for name in set(names) for _, reference in joins(name)}
    return [relation for relation in relations() if relation.is_view or relation.name in names]


def explore(relation: Relation) -> Field:
    """The explore of a table or view; it joins at most one row of each other to each of its rows."""
    by_name = {one.name: one for one in relations()}
    return {
        "name": relation.name,
        "label": relation.label,
        "group_label": _GROUP,
        "description": plain(f"One row is: {relation.row}"),
        "joins": [_join(source, reference, by_name) for source, reference in joins(relation.name)],
    }


def joins(name: str) -> Iterator[tuple[str, Reference]]:
    """What a relation refers to, directly or through others, each once, with the view that refers to it."""
    waiting, joined = [(name, name)], {name}
    for alias, relation in waiting:
        for reference in references():
            if reference.relation == relation and reference.alias not in joined:
                joined.add(reference.alias)
                yield alias, reference
                if reference.alias == reference.to:
                    waiting.append((reference.alias, reference.to))


def _join(source: str, reference: Reference, by_name: dict[str, Relation]) -> Field:
    other = by_name[reference.to]
    role = reference.alias.removesuffix(reference.to).rstrip("_")
    pairs = zip(reference.columns, reference.to_columns, strict=True)
    is_only = by_name[reference.relation].key == reference.columns
    return {
        "name": reference.alias,
        **({"from": reference.to} if role else {}),
        "view_label": f"{role.capitalize()}: {other.label}" if role else other.label,
        "type": "left_outer",
        "relationship": "one_to_one" if is_only else "many_to_one",
        "sql_on": " AND ".join(f"${{{source}.{ours}}} = ${{{reference.alias}.{theirs}}}" for ours, theirs in pairs),
    }
