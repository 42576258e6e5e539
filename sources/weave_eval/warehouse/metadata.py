"""The tables as SQLAlchemy tables, made from their declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Dialect, Double, MetaData, Table, Text
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from ..tables import TABLES, ColumnType
from .base import Warehouse


class _JsonText(TypeDecorator[Any]):
    """JSON that a connection gives as its text."""

    impl = NullType
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """The value as Python knows it."""
        return None if value is None else json.loads(value)


def sql_types(warehouse: Warehouse) -> Mapping[ColumnType, TypeEngine[Any]]:
    """SQLAlchemy's types of the columns, to read them; JSON comes parsed."""
    return {
        "text": Text(),
        "bigint": BigInteger(),
        "double": Double(),
        "bool": Boolean(),
        "timestamp": DateTime(timezone=True),
        "json": NullType() if warehouse.engine_parses_json else _JsonText(),
    }


def sql_tables(dataset: str, warehouse: Warehouse) -> dict[str, Table]:
    """SQLAlchemy tables by name, in the schema `dataset`."""
    metadata, types = MetaData(schema=dataset), sql_types(warehouse)
    return {
        table.name: Table(table.name, metadata, *(Column(c.name, types[c.type]) for c in table.columns))
        for table in TABLES
    }
