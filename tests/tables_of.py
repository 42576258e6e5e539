"""What a DuckDB file holds, for comparing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, Any]
Tables = dict[str, list[Row]]

OF_THE_LOAD = frozenset({"_dlt_load_id", "load_id", "results_load_id", "synced_at", "checked_at"})
"""Columns that differ from load to load although nothing changed."""

RECORDS = frozenset({"syncs", "gate_decisions"})
"""Tables about loads and decisions."""


def tables_of(path: Path, dataset: str = "weave") -> Tables:
    """Every table's rows, in an order that depends on their values alone; JSON parsed, times in UTC.

    dlt's own tables, and a file that is not there, count as nothing.
    """
    if not path.exists():
        return {}
    with duckdb.connect(str(path), read_only=True) as connection:
        names = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND NOT starts_with(table_name, '_dlt')"
        found = [name for (name,) in connection.execute(names, [dataset]).fetchall()]
        return {name: _rows(connection, f'"{dataset}"."{name}"') for name in sorted(found)}


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[Row]:
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [(name, str(kind)) for name, kind, *_ in cursor.description or ()]
    rows = [
        {name: _plain(kind, value) for (name, kind), value in zip(columns, row, strict=True)}
        for row in cursor.fetchall()
    ]
    return ordered(rows)


def _plain(kind: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return json.loads(value) if kind == "JSON" and value is not None else value


def ordered(rows: list[Row]) -> list[Row]:
    """The rows in an order that depends on their values alone."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))


def lasting(tables: Mapping[str, list[Row]], *, without: frozenset[str] = OF_THE_LOAD) -> Tables:
    """The tables without what differs from load to load."""
    return {
        name: ordered([{column: value for column, value in row.items() if column not in without} for row in rows])
        for name, rows in tables.items()
        if name not in RECORDS
    }


def load_count(path: Path, dataset: str = "weave") -> int:
    """How many load packages were loaded."""
    with duckdb.connect(str(path), read_only=True) as connection:
        (count,) = connection.execute(f'SELECT count(*) FROM "{dataset}"._dlt_loads').fetchone() or (0,)
    return int(count)
