"""Bulk inserts of Arrow tables into DuckDB and Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

_TYPES = {pa.int64(): "BIGINT", pa.float64(): "DOUBLE PRECISION", pa.bool_(): "BOOLEAN", pa.string(): "TEXT"}


class Warehouse(Protocol):
    """Where rows go."""

    def create(self, schemas: Mapping[str, pa.Schema]) -> None:
        """Makes empty tables."""

    def insert(self, table: str, rows: pa.Table) -> None:
        """Adds rows to a table."""

    def close(self) -> None:
        """Makes what was inserted stay."""


def open_warehouse(destination: str) -> Warehouse:
    """The Postgres with that URL, or the DuckDB file with that path."""
    return _Postgres(destination) if destination.startswith("postgresql://") else _DuckDb(destination)


def _create(table: str, schema: pa.Schema) -> str:
    columns = ", ".join(f"{field.name} {_sql_type(field)}" for field in schema)
    return f"CREATE TABLE {table} ({columns})"


def _sql_type(field: pa.Field[Any]) -> str:
    return "JSON" if field.metadata else _TYPES.get(field.type, "TIMESTAMPTZ")


class _DuckDb:
    def __init__(self, path: str):
        import duckdb

        self._connection = duckdb.connect(path)

    def create(self, schemas: Mapping[str, pa.Schema]) -> None:
        for table, schema in schemas.items():
            self._connection.execute(_create(table, schema))

    def insert(self, table: str, rows: pa.Table) -> None:
        self._connection.register("inserted", rows)
        self._connection.execute(f"INSERT INTO {table} SELECT * FROM inserted")
        self._connection.unregister("inserted")

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    def __init__(self, url: str):
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]

        self._connection = dbapi.connect(url)
        self._cursor = self._connection.cursor()

    def create(self, schemas: Mapping[str, pa.Schema]) -> None:
        for table, schema in schemas.items():
            self._cursor.execute(_create(table, schema))

    def insert(self, table: str, rows: pa.Table) -> None:
        self._cursor.adbc_ingest(table, rows, mode="append")

    def close(self) -> None:
        self._connection.commit()
        self._cursor.close()
        self._connection.close()
