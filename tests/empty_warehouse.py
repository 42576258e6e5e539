"""A DuckDB file with all tables and views, and nothing in them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from weave_eval.tables import TABLES
from weave_eval.warehouse.duckdb import DuckDB
from weave_eval.warehouse.views.model import views


def make_empty_warehouse(path: Path) -> None:
    """Makes the file, with all tables and views in its main schema."""
    with duckdb.connect(str(path)) as database:
        for table in TABLES:
            columns = ", ".join(f'"{column.name}" {DuckDB.column_types[column.type]}' for column in table.columns)
            database.execute(f"CREATE TABLE {table.name} ({columns})")
        for view in views():
            database.execute(f"CREATE VIEW {view.name} AS {view.query('duckdb', str)}")
