"""DuckDB: one file, which one program at a time can write to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from dlt.common.data_writers.escape import escape_duckdb_literal

from ..tables import ColumnType
from .arrow_types import INSTANT, MOMENT, MOST_DIGITS
from .base import ColumnDescription, DataType, Errors, Warehouse
from .duckdb_file import file_holder, set_aside_unfinished
from .location import Location
from .views.dialect import Dialect, JsonFields

if TYPE_CHECKING:
    from sqlalchemy import Engine

_ARROW_TYPES = {
    "BOOLEAN": pa.bool_(),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), pa.int64()),
    "UBIGINT": pa.uint64(),
    "HUGEINT": pa.decimal128(MOST_DIGITS, 0),
    "FLOAT": pa.float64(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP WITH TIME ZONE": INSTANT,
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), MOMENT),
    "DATE": pa.date32(),
}


class DuckDB(Warehouse):
    """DuckDB."""

    type = "duckdb"
    title = "DuckDB"
    drivers = ("duckdb",)
    column_types: ClassVar[Mapping[ColumnType, str]] = {
        "text": "VARCHAR",
        "bigint": "BIGINT",
        "double": "DOUBLE",
        "bool": "BOOLEAN",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "json": "JSON",
    }
    destination = f"{__package__}.duckdb_destination.duckdb"
    form = "parquet"
    gives_json_as_text = True
    is_file = True
    dialect = Dialect(
        "duckdb",
        json_text="CAST({0} AS VARCHAR)",
        seconds_between="(EPOCH_US({1}) - EPOCH_US({0})) / CAST(1000000 AS DOUBLE)",
        json_fields=JsonFields(
            "JSON_EACH(CASE WHEN JSON_TYPE({x}) = 'OBJECT' THEN {x} END) AS {field}",
            "{field}.key",
            "({field}.value ->> '$')",
        ),
    )
    catalogue_query = """
SELECT table_name, NULL FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = %s
UNION ALL SELECT view_name, sql FROM duckdb_views() WHERE database_name = current_database() AND schema_name = %s"""
    comments_query = """
SELECT table_name, '', comment FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = %s
UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = %s"""

    @property
    def driver_errors(self) -> Errors:
        """Those of DuckDB itself."""
        import duckdb  # noqa: PLC0415 - loads into other warehouses do without

        return (duckdb.Error,)

    def literal(self, text: str) -> str:
        """A text in SQL."""
        literal: str = escape_duckdb_literal(text)
        return literal

    def file_holder(self, message: str) -> str | None:
        """The process that has the file open, as DuckDB names it."""
        return file_holder(message)

    def set_aside_unfinished(self, location: Location) -> list[str]:
        """Renames a file that ends within DuckDB's headers."""
        return set_aside_unfinished(location.database_file) if location.database_file else []

    def engine(self, location: Location) -> Engine:
        """An engine that reads the file; before the first load, one that holds nothing."""
        from sqlalchemy import URL, NullPool, create_engine, event  # noqa: PLC0415 - loads do without

        if location.is_unmade:
            engine = create_engine("duckdb:///:memory:", poolclass=NullPool)
        else:
            url = URL.create("duckdb", database=str(location.database_file))
            engine = create_engine(url, poolclass=NullPool, connect_args={"read_only": True})
        event.listen(engine, "connect", _without_progress_bar)
        return engine

    def arrow_type(self, column: ColumnDescription) -> DataType:
        """The Arrow type by DuckDB's name of the type."""
        name = str(column[1])
        if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", name):
            return pa.decimal128(int(found[1]), int(found[2]))
        return _ARROW_TYPES.get(name, pa.string())


def _without_progress_bar(connection: Any, _record: Any) -> None:
    """DuckDB would print it among the answers."""
    connection.execute("SET enable_progress_bar = false")
