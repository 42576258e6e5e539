"""LookML dimensions of a table or view: one for each column, and one key."""

from __future__ import annotations

from typing import Any

from ...tables import Column
from ...warehouse.base import Warehouse
from ..relations import Relation

Field = dict[str, Any]
"""A LookML field, as the library lkml writes it."""

KEY = "row_key"
"""The hidden dimension that is the key where the key has several columns."""

TIMEFRAMES = ("raw", "time", "hour", "date", "week", "month", "quarter", "year")

_TECHNICAL = frozenset({"_dlt_load_id", "fingerprint", "results_load_id", "load_id", "result_row_id", "score_id",
                        "scorer_stat_id", "input_id"})  # fmt: skip
_KINDS = {"text": "string", "json": "string", "bigint": "number", "double": "number", "bool": "yesno"}


def dimensions(relation: Relation, warehouse: Warehouse) -> list[Field]:
    """The dimensions of all columns but times; the key comes first where it has several columns."""
    columns = [column for column in relation.columns if column.type != "timestamp"]
    keys = [_row_key(relation, warehouse)] if len(relation.key) > 1 else []
    return keys + [_dimension(column, warehouse, is_key=relation.key == (column.name,)) for column in columns]


def dimension_groups(relation: Relation, warehouse: Warehouse) -> list[Field]:
    """The dimension groups of the columns that are times."""
    return [_time(column, warehouse) for column in relation.columns if column.type == "timestamp"]


def group_name(column: str) -> str:
    """The name of a time's dimension group; Looker puts the timeframe behind it, as in `started_date`."""
    return column.removesuffix("_at")


def column_sql(column: str, warehouse: Warehouse) -> str:
    """A column of the view's own table in LookML's SQL."""
    return f"${{TABLE}}.{warehouse.quoted_name(column)}"


def _dimension(column: Column, warehouse: Warehouse, *, is_key: bool) -> Field:
    sql = column_sql(column.name, warehouse)
    made: Field = {"name": column.name, "type": _KINDS[column.type]}
    made |= {"primary_key": "yes"} if is_key else {}
    made |= {"hidden": "yes"} if column.name in _TECHNICAL else {}
    made |= {"sql": warehouse.json_as_text.format(sql) if column.type == "json" else sql}
    made |= {"description": plain(column.description)} if column.description else {}
    made |= {"link": {"label": "Open in Weave", "url": "{{ value }}"}} if column.name == "url" else {}
    return made


def _time(column: Column, warehouse: Warehouse) -> Field:
    return {
        "name": group_name(column.name),
        "type": "time",
        "timeframes": list(TIMEFRAMES),
        "sql": column_sql(column.name, warehouse),
        **({"description": plain(column.description)} if column.description else {}),
    }


def _row_key(relation: Relation, warehouse: Warehouse) -> Field:
    sql = warehouse.joined_key([column_sql(name, warehouse) for name in relation.key])
    return {"name": KEY, "type": "string", "primary_key": "yes", "hidden": "yes", "sql": sql}


def plain(text: str) -> str:
    """A description as a LookML string holds it: in one line, without double quotes."""
    return " ".join(text.split()).replace('"', "'").replace("\\", "/")
