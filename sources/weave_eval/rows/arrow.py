"""Columns to Arrow: schemas made from the tables, and record batches."""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from ..tables import TABLES_BY_NAME, ColumnType
from .columns import Columns

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
}


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Arrow schema of a table: its columns in order."""
    columns = TABLES_BY_NAME[table].columns
    return pa.schema([pa.field(c.name, ARROW_TYPES[c.type], nullable=c.nullable) for c in columns])


def record_batch(columns: Columns, constants: dict[str, str]) -> pa.RecordBatch:
    """The rows as a record batch; `constants` are the same in every row."""
    schema = arrow_schema(columns.table)
    arrays = []
    for column in schema:
        if column.name in columns.values:
            arrays.append(pa.array(columns[column.name], column.type))
        else:
            arrays.append(pa.repeat(pa.scalar(constants[column.name], column.type), len(columns)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
