"""Descriptions of the tables and columns as comments in the warehouse, for whoever meets the tables there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from dlt.common.data_writers.escape import escape_duckdb_literal, escape_postgres_literal, escape_snowflake_literal
from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.destinations.sql_client import SqlClientBase

from ..tables import TABLES, Table
from .views.model import View

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, SchemaField

Comments = dict[tuple[str, str], str]
"""Comments by table and column; the column is empty for the table's own."""

_QUERIES = {
    "duckdb": """
SELECT table_name, '', comment FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = %s
UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = %s""",
    "postgres": """
SELECT t.relname, '', obj_description(t.oid, 'pg_class') FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = %s
UNION ALL SELECT t.relname, c.attname, col_description(t.oid, c.attnum) FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute c ON c.attrelid = t.oid WHERE n.nspname = %s""",
    "snowflake": """
SELECT table_name, '', comment FROM information_schema.tables WHERE table_schema = %s
UNION ALL SELECT table_name, column_name, comment FROM information_schema.columns WHERE table_schema = %s""",
}
LITERALS: dict[str, Callable[[str], str]] = {
    "duckdb": escape_duckdb_literal,
    "postgres": escape_postgres_literal,
    "snowflake": escape_snowflake_literal,
}
"""How each warehouse writes a text in SQL."""


def declared_comments() -> Comments:
    """The descriptions of all tables and columns."""
    comments = {(table.name, ""): table.description for table in TABLES}
    comments.update({(table.name, c.name): c.description for table in TABLES for c in table.columns})
    return comments


def update_comments(sql: SqlClientBase[Any], warehouse: str) -> int:
    """Writes the descriptions that the warehouse's tables do not carry yet; returns how many.

    Costs one query of the catalogue (in BigQuery: one free request a table) where they all do.
    """
    if warehouse == "bigquery":
        return _update_descriptions(sql)
    declared = declared_comments()
    found = _stored_comments(sql, _QUERIES[warehouse])
    lacking = [key for key in found if key in declared and declared[key] != found[key]]
    literal = LITERALS[warehouse]
    statements = [_statement(sql, key, literal(declared[key])) for key in lacking]
    if statements:
        # Else DuckDB writes each to disk by itself. In Snowflake each is by itself in any case.
        with nullcontext() if warehouse == "snowflake" else sql.begin_transaction():
            sql.execute_many(statements)
    return len(lacking)


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


def _update_descriptions(sql: SqlClientBase[Any]) -> int:
    from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed  # noqa: PLC0415 - an extra

    written = 0
    for table in TABLES:
        try:
            written += describe(sql.native_connection, sql.make_qualified_table_name(table.name, quote=False), table)
        except (NotFound, PreconditionFailed):
            continue  # not made yet, or another load describes it at this moment
        except GoogleAPICallError as error:
            raise DatabaseTerminalException(error) from error
    return written


def describe(client: Client, name: str, table: Table | View) -> int:
    """Gives a table or view in BigQuery the descriptions that it lacks; returns how many."""
    found = client.get_table(name)
    fields = list(_described(found.schema, table))
    changed = [before for before, after in zip(found.schema, fields, strict=True) if before != after]
    written = len(changed) + int(found.description != table.description)
    if written:
        found.description, found.schema = table.description, fields
        client.update_table(found, ["description", "schema"])
    return written


def _described(fields: list[SchemaField], table: Table | View) -> Iterator[SchemaField]:
    descriptions = {column.name: column.description for column in table.columns}
    for field in fields:
        stored = field.to_api_repr()
        yield type(field).from_api_repr({**stored, "description": descriptions.get(field.name, field.description)})
