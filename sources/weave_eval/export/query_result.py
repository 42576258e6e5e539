"""What a query answers, as Arrow batches that are fetched one after another, so that memory stays flat."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, CursorResult

from ..errors import DestinationError, SettingsError
from ..warehouse.base import ColumnDescription, Warehouse

_BATCH_ROWS = 2_000

Convert = Callable[[Any], Any]
"""Makes a value that a driver fetched one of the column's type."""


@dataclass(frozen=True)
class QueryResult:
    """The columns of an answer, and its rows in batches, to be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def query_result(connection: Connection, sql: str, warehouse: Warehouse) -> QueryResult:
    """Runs a query that only reads; where the warehouse knows such transactions, in one that cannot write.

    JSON comes as its text. Raises `SettingsError` if two columns have the same name.
    """
    connection.dialect._json_deserializer = str  # type: ignore[attr-defined]  # noqa: SLF001 - parsed and written again, 1.50 would be 1.5
    ready = warehouse.for_export(connection)
    options = ready.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS, no_parameters=True)
    answer = options.exec_driver_sql(warehouse.driver_sql(sql))
    schema, conversions = _columns(answer, warehouse)
    return QueryResult(schema, _batches(answer, schema, conversions))


def _columns(answer: CursorResult[Any], warehouse: Warehouse) -> tuple[pa.Schema, list[Convert | None]]:
    """The schema, and for each column how its values are converted, if they have to be."""
    assert answer.cursor is not None
    described = answer.cursor.description
    names = [warehouse.result_name(column[0]) for column in described]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        called = ", ".join(twice)
        raise SettingsError(f"The query has several columns called {called}. Give them different names with AS.")
    schema = pa.schema([(name, warehouse.arrow_type(column)) for name, column in zip(names, described, strict=True)])
    return schema, [_conversion(field, column, warehouse) for field, column in zip(schema, described, strict=True)]


def _conversion(field: Any, description: ColumnDescription, warehouse: Warehouse) -> Convert | None:
    if pa.types.is_floating(field.type):
        return _float
    if not pa.types.is_string(field.type):
        return None
    return _json_text if warehouse.is_json(description) else _text


def _batches(
    answer: CursorResult[Any], schema: pa.Schema, conversions: Sequence[Convert | None]
) -> Iterator[pa.RecordBatch]:
    for rows in answer.partitions(_BATCH_ROWS):
        columns = zip(schema, conversions, zip(*rows, strict=True), strict=True)
        arrays = [_array(field, map(convert, values) if convert else values) for field, convert, values in columns]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(field: Any, values: Any) -> Any:
    try:
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DestinationError(
            f"The column {field.name} holds a value that does not fit its type {field.type}: {error}. "
            "Cast the column in the query, such as CAST(... AS DOUBLE PRECISION)."
        ) from None


def _float(value: Any) -> float | None:
    """Postgres has decimals without a number of digits."""
    return None if value is None else float(value)


def _text(value: Any) -> str | None:
    """The value as text: lists and objects as JSON, bytes in hexadecimal digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return _json_text(value) if isinstance(value, (dict, list, tuple)) else str(value)


def _json_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
