"""The tables as SQLAlchemy tables, made from their declaration."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Dialect, Double, MetaData, Table, Text
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from ..tables import TABLES, ColumnType


class _Variant(TypeDecorator[Any]):
    """Snowflake's VARIANT, whose values come as JSON text."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """The value as Python knows it."""
        return None if value is None else json.loads(value)


TYPES: dict[ColumnType, TypeEngine[Any]] = {
    "text": Text(),
    "bigint": BigInteger(),
    "double": Double(),
    "bool": Boolean(),
    "timestamp": DateTime(timezone=True),
    "json": JSON().with_variant(_Variant(), "snowflake").with_variant(NullType(), "bigquery"),
}
"""SQLAlchemy's types of the columns."""


def sql_tables(dataset: str) -> dict[str, Table]:
    """SQLAlchemy tables by name, in the schema `dataset`."""
    metadata = MetaData(schema=dataset)
    return {
        table.name: Table(table.name, metadata, *(Column(c.name, TYPES[c.type]) for c in table.columns))
        for table in TABLES
    }
