"""The warehouses that profiles can name. Another one is added with `add_warehouse`, before profiles are read."""

from __future__ import annotations

from .base import Warehouse
from .bigquery import BigQuery
from .duckdb import DuckDB
from .postgres import Postgres
from .snowflake import Snowflake

_KNOWN: dict[str, Warehouse] = {known.type: known for known in (DuckDB(), Postgres(), BigQuery(), Snowflake())}
_ANY_OTHER = Warehouse()


def add_warehouse(warehouse: Warehouse) -> None:
    """Makes a warehouse known by its type, in place of one that had it."""
    _KNOWN[warehouse.type] = warehouse


def warehouses() -> tuple[Warehouse, ...]:
    """All that are known."""
    return tuple(_KNOWN.values())


def warehouse_of(kind: str) -> Warehouse:
    """The warehouse of a type. Raises `KeyError` if there is none."""
    return _KNOWN[kind]


def warehouse_behind(destination_type: str) -> Warehouse:
    """The warehouse that a destination of dlt's, named by its class, leads to; of unknown ones what holds for any."""
    named = (known for known in _KNOWN.values() if known.destination == destination_type)
    return next(named, None) or _KNOWN.get(destination_type.rsplit(".", 1)[-1], _ANY_OTHER)
