"""What the types of columns are called in each warehouse."""

from __future__ import annotations

from ..tables import ColumnType

WAREHOUSES = {"duckdb": "DuckDB", "postgres": "Postgres", "bigquery": "BigQuery", "snowflake": "Snowflake"}
"""The warehouses' own spelling of their names."""

WAREHOUSE_TYPES: dict[str, dict[ColumnType, str]] = {
    "duckdb": {
        "text": "VARCHAR",
        "bigint": "BIGINT",
        "double": "DOUBLE",
        "bool": "BOOLEAN",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "json": "JSON",
    },
    "postgres": {
        "text": "CHARACTER VARYING",
        "bigint": "BIGINT",
        "double": "DOUBLE PRECISION",
        "bool": "BOOLEAN",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "json": "JSONB",
    },
    "bigquery": {
        "text": "STRING",
        "bigint": "INT64",
        "double": "FLOAT64",
        "bool": "BOOL",
        "timestamp": "TIMESTAMP",
        "json": "JSON",
    },
    "snowflake": {
        "text": "TEXT",
        "bigint": "NUMBER",
        "double": "FLOAT",
        "bool": "BOOLEAN",
        "timestamp": "TIMESTAMP_LTZ",
        "json": "VARIANT",
    },
}
"""The type of each kind of column, by warehouse."""
