"""Postgres' indexes, with which replacing or reading some runs touches those runs alone.

BigQuery clusters the tables when it makes them (see `schema.py`). DuckDB and Snowflake keep the ranges of every block
by themselves, and rows come in run by run.
"""

from __future__ import annotations

from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from ..tables import TABLES, Table

_RELATIONS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s"""


def make_indexes(sql: SqlClientBase[Any]) -> int:
    """Makes the indexes that the tables lack; returns how many. Costs one query where none does."""
    *_, dataset = sql.make_qualified_table_name_path(None, quote=False)
    relations = {name for (name,) in sql.execute_sql(_RELATIONS, dataset) or ()}
    lacking = [table for table in TABLES if table.name in relations and index_name(table) not in relations]
    if lacking:
        with sql.begin_transaction():
            # Two loads that make the same index at once: the second waits and finds it there.
            sql.execute_sql("SELECT pg_advisory_xact_lock(hashtext(%s))", f"weave_eval indexes of {dataset}")
            for table in lacking:
                sql.execute_sql(_create_index(sql, table))
        # Until it knows that there are rows, Postgres takes minutes for views that join views; where it knows the keys
        # alone, comparing 300 runs did not end in half an hour.
        sql.execute_many([f"ANALYZE {sql.make_qualified_table_name(table.name)}" for table in lacking])
    return len(lacking)


def index_name(table: Table) -> str:
    """The name of the table's index."""
    return f"{table.name}_{'_'.join(table.cluster)}_idx"


def _create_index(sql: SqlClientBase[Any], table: Table) -> str:
    columns = ", ".join(sql.escape_column_name(column) for column in table.cluster)
    name = sql.capabilities.escape_identifier(index_name(table))
    return f"CREATE INDEX IF NOT EXISTS {name} ON {sql.make_qualified_table_name(table.name)} ({columns})"
