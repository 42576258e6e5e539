"""The Arrow types of a query's columns, from what each warehouse's driver says of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

INSTANT = pa.timestamp("us", "UTC")
MOMENT = pa.timestamp("us")
_MOST_DIGITS = 38

DataType = Any
"""An Arrow type."""

Description = Any
"""One column of a DB-API cursor's description: a tuple, in which each driver says the type in its own way."""


def arrow_type(description: Description, warehouse: str) -> DataType:
    """The Arrow type of a column; text for JSON and for whatever else no file format shares."""
    return _FROM[warehouse](description)


def _from_duckdb(description: Description) -> DataType:
    name = str(description[1])
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", name):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _DUCKDB.get(name, pa.string())


def _from_postgres(description: Description) -> DataType:
    if description.type_code == _NUMERIC:
        return _decimal(description.precision, description.scale)
    return _POSTGRES.get(description.type_code, pa.string())


def _from_bigquery(description: Description) -> DataType:
    return _BIGQUERY.get(description[1], pa.string())


def _from_snowflake(description: Description) -> DataType:
    if description[1] == _FIXED:
        return _decimal(description[4], description[5]) if description[5] else pa.int64()
    return _SNOWFLAKE.get(description[1], pa.string())


def _decimal(precision: int | None, scale: int | None) -> DataType:
    """A decimal of known digits; a double where each value has digits of its own."""
    is_known = precision is not None and scale is not None and 0 <= scale <= precision <= _MOST_DIGITS
    return pa.decimal128(precision, scale) if is_known else pa.float64()


_DUCKDB = {
    "BOOLEAN": pa.bool_(),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), pa.int64()),
    "UBIGINT": pa.uint64(),
    "HUGEINT": pa.decimal128(_MOST_DIGITS, 0),
    "FLOAT": pa.float64(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP WITH TIME ZONE": INSTANT,
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), MOMENT),
    "DATE": pa.date32(),
}
_NUMERIC = 1700
_POSTGRES = {  # by OID
    16: pa.bool_(),
    **dict.fromkeys((20, 21, 23), pa.int64()),
    **dict.fromkeys((700, 701), pa.float64()),
    1082: pa.date32(),
    1114: MOMENT,
    1184: INSTANT,
}
_BIGQUERY = {
    **dict.fromkeys(("BOOLEAN", "BOOL"), pa.bool_()),
    **dict.fromkeys(("INTEGER", "INT64"), pa.int64()),
    **dict.fromkeys(("FLOAT", "FLOAT64", "BIGNUMERIC"), pa.float64()),
    "NUMERIC": pa.decimal128(_MOST_DIGITS, 9),
    "DATE": pa.date32(),
    "DATETIME": MOMENT,
    "TIMESTAMP": INSTANT,
}
_FIXED = 0
_SNOWFLAKE = {  # by the connector's type codes
    1: pa.float64(),
    3: pa.date32(),
    4: INSTANT,
    6: INSTANT,
    7: INSTANT,
    8: MOMENT,
    13: pa.bool_(),
}
_FROM: dict[str, Callable[[Description], DataType]] = {
    "duckdb": _from_duckdb,
    "postgres": _from_postgres,
    "bigquery": _from_bigquery,
    "snowflake": _from_snowflake,
}
