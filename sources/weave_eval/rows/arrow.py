"""Rows to Arrow: schemas made from the tables, and record batches made from tuples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa

from ..tables import TABLES_BY_NAME, ColumnType
from .flatten import VARYING, column_values

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


def record_batch(table: str, rows: Sequence[tuple[Any, ...]], constants: dict[str, str]) -> pa.RecordBatch:
    """Tuples (in the order of `VARYING[table]`) as a record batch; `constants` are the same in every row."""
    schema = arrow_schema(table)
    varying = dict(zip(VARYING[table], column_values(rows), strict=True)) if rows else {}
    arrays = []
    for column in schema:
        if column.name in varying:
            arrays.append(pa.array(varying[column.name], column.type))
        else:
            arrays.append(pa.repeat(pa.scalar(constants[column.name], column.type), len(rows)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
