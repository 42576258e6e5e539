"""Descriptions of the tables and columns as comments in the warehouse, for whoever meets the tables there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlt.common.data_writers.escape import escape_snowflake_literal
from dlt.destinations.sql_client import SqlClientBase

from ..tables import TABLES, Table

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
        return sum(
            _describe(sql.native_connection, f"{sql.fully_qualified_dataset_name(quote=False)}", table)
            for table in TABLES
        )
    declared = declared_comments()
    found = _stored_comments(sql, _QUERIES[warehouse])
    statements = [_statement(sql, key, declared[key]) for key in found if declared.get(key, found[key]) != found[key]]
    sql.execute_many(statements)
    return len(statements)


def _stored_comments(sql: SqlClientBase[Any], query: str) -> dict[tuple[str, str], str | None]:
    """The comment, if any, of each table and column that is there."""
    *_, dataset = sql.make_qualified_table_name_path(None, quote=False)
    rows = sql.execute_sql(query, dataset, dataset) or ()
    return {(table.lower(), column.lower()): comment for table, column, comment in rows}


def _statement(sql: SqlClientBase[Any], key: tuple[str, str], text: str) -> str:
    table, column = key
    escape = sql.capabilities.escape_literal or escape_snowflake_literal
    name = sql.make_qualified_table_name(table)
    subject = f"COLUMN {name}.{sql.escape_column_name(column)}" if column else f"TABLE {name}"
    return f"COMMENT ON {subject} IS {escape(text)}"


def _describe(client: Client, dataset: str, table: Table) -> int:
    from google.api_core.exceptions import NotFound, PreconditionFailed  # noqa: PLC0415 - its extra may be missing

    # Another load may describe the table at the same time: it writes the same.
    with suppress(NotFound, PreconditionFailed):
        found = client.get_table(f"{dataset}.{table.name}")
        fields = list(_described(found.schema, table))
        changed = sum(before != after for before, after in zip(found.schema, fields, strict=True))
        changed += found.description != table.description
        if changed:
            found.description, found.schema = table.description, fields
            client.update_table(found, ["description", "schema"])
        return changed
    return 0


def _described(fields: list[SchemaField], table: Table) -> Iterator[SchemaField]:
    descriptions = {column.name: column.description for column in table.columns}
    for field in fields:
        stored = field.to_api_repr()
        yield type(field).from_api_repr({**stored, "description": descriptions.get(field.name, field.description)})
