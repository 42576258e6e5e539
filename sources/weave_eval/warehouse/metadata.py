"""The tables as SQLAlchemy tables, made from their declaration."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Double, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from ..tables import TABLES, ColumnType

_TYPES: dict[ColumnType, TypeEngine[Any]] = {
    "text": Text(),
    "bigint": BigInteger(),
    "double": Double(),
    "bool": Boolean(),
    "timestamp": DateTime(timezone=True),
    "json": JSON(),
}


def sql_tables(dataset: str) -> dict[str, Table]:
    """SQLAlchemy tables by name, in the schema `dataset`."""
    metadata = MetaData(schema=dataset)
    return {
        table.name: Table(table.name, metadata, *(Column(c.name, _TYPES[c.type]) for c in table.columns))
        for table in TABLES
    }
