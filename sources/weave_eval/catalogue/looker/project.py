"""A LookML project: its files by name."""

from __future__ import annotations

import re
from typing import Any

import lkml

from ...errors import SettingsError
from ...warehouse.profiles import Profile
from ..relations import Relation
from .dashboard import dashboard
from .dimensions import Field, dimension_groups, dimensions, plain
from .explores import explore, explored, needed
from .measures import measures

MODEL = "weave_eval"
_LOADED = "weave_eval_load"
_HEADER = "# Made by `weave-eval looker`: extend it with refinements (view: +name) in files of your own.\n\n"


def lookml_project(connection: str, destination: Profile) -> dict[str, str]:
    """The files of the project, by path. Raises `SettingsError` for a connection that Looker cannot have."""
    if not re.fullmatch(r"[\w.@-]+", connection, re.ASCII):
        raise SettingsError(
            f"The connection is {connection!r}; name it as in Looker: letters, digits, underscores, dots and dashes."
        )
    views = {relation.name: _view(relation, destination) for relation in needed()}
    files = {f"views/{name}.view.lkml": _text({"views": [view]}) for name, view in views.items()}
    fields = {name: {field["name"] for field in view["dimensions"]} for name, view in views.items()}
    return {
        f"{MODEL}.model.lkml": _text(_model(connection, destination)),
        f"{MODEL}.dashboard.lookml": _HEADER + dashboard(MODEL, fields),
        **files,
    }


def _text(parts: dict[str, Any]) -> str:
    return f"{_HEADER}{lkml.dump(parts)}\n"


def _model(connection: str, destination: Profile) -> dict[str, Any]:
    trigger = f"SELECT MAX(started_at) FROM {destination.warehouse.qualified_name(destination.dataset, 'syncs')}"
    return {
        "connection": connection,
        "label": "Weave evaluations",
        "includes": ["views/*.view.lkml", "*.dashboard.lookml"],
        "datagroups": [{"name": _LOADED, "sql_trigger": trigger, "max_cache_age": "24 hours"}],
        "persist_with": _LOADED,
        "explores": [explore(relation) for relation in explored()],
    }


def _view(relation: Relation, destination: Profile) -> Field:
    warehouse = destination.warehouse
    view: Field = {
        "name": relation.name,
        "label": relation.label,
        "sql_table_name": warehouse.qualified_name(relation.dataset(destination), relation.name),
        "dimensions": dimensions(relation, warehouse),
        "dimension_groups": dimension_groups(relation, warehouse),
        "measures": measures(relation, warehouse),
    }
    view["measures"] = [{**field, "description": plain(field["description"])} for field in view["measures"]]
    return {key: value for key, value in view.items() if value}
