"""Descriptions of the tables and columns as comments in the warehouse, for whoever meets the tables there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from ..tables import TABLES

Comments = dict[tuple[str, str], str]
"""Comments by table and column; the column is empty for the table's own."""


def declared_comments() -> Comments:
    """The descriptions of all tables and columns."""
    comments = {(table.name, ""): table.description for table in TABLES}
    comments.update({(table.name, c.name): c.description for table in TABLES for c in table.columns})
    return comments


def lacking_comments(sql: SqlClientBase[Any], query: str, literal: Callable[[str], str]) -> list[str]:
    """The statements that write the comments which the tables of a dataset lack.

    `query` asks the catalogue for the comments of all tables, then of all columns, of a dataset; `literal` writes a
    text in SQL.
    """
    declared = declared_comments()
    found = _stored_comments(sql, query)
    lacking = [key for key in found if key in declared and declared[key] != found[key]]
    return [_statement(sql, key, literal(declared[key])) for key in lacking]


def _stored_comments(sql: SqlClientBase[Any], query: str) -> dict[tuple[str, str], str | None]:
    """The comment, if any, of each table and column that is there."""
    *_, dataset = sql.make_qualified_table_name_path(None, quote=False)
    rows = sql.execute_sql(query, dataset, dataset) or ()
    return {(table.lower(), column.lower()): comment for table, column, comment in rows}


def _statement(sql: SqlClientBase[Any], key: tuple[str, str], literal: str) -> str:
    table, column = key
    name = sql.make_qualified_table_name(table)
    subject = f"COLUMN {name}.{sql.escape_column_name(column)}" if column else f"TABLE {name}"
    return f"COMMENT ON {subject} IS {literal}"
