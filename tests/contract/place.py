"""A dataset of any warehouse that a project is loaded into, and what it holds."""

from __future__ import annotations

import dataclasses
from datetime import timezone
from typing import Any

import sqlalchemy as sa

from tests.loads import Place
from tests.stand_ins.warehouse import Warehouse
from tests.tables_of import OF_THE_LOAD, Row, Tables, lasting, ordered
from weave_eval.tables import TABLES, Table
from weave_eval.warehouse.engine import reading
from weave_eval.warehouse.metadata import sql_tables, sql_types
from weave_eval.warehouse.profiles import Profile
from weave_eval.warehouse.views.model import View

EPOCH_FOR_NULL = "a NULL timestamp is fetched as 1970-01-01, though IS NULL finds it"


OF_A_MOMENT = OF_THE_LOAD | {"load_id", "checked_at"}


def comparable(place: Place) -> Tables:
    """The tables of a place without what differs from load to load."""
    tables = lasting(place.tables(), without=OF_A_MOMENT)
    tables.pop("syncs", None)
    return tables


def differences(found: Tables, expected: Tables) -> list[tuple[Any, ...]]:
    """Where two sets of tables differ: the table, then the counts of its rows or the key, column and both values."""
    return [
        difference
        for table in TABLES
        for difference in _row_differences(table, found.get(table.name, []), expected.get(table.name, []))
    ]


def _row_differences(table: Table, found: list[Row], expected: list[Row]) -> list[tuple[Any, ...]]:
    ours = {tuple(row[name] for name in table.key): row for row in found}
    theirs = {tuple(row[name] for name in table.key): row for row in expected}
    if ours.keys() != theirs.keys() or len(ours) != len(found):
        return [(table.name, "rows", len(found), len(expected), sorted(ours.keys() ^ theirs.keys()))]
    return [
        (table.name, key, name, row[name], theirs[key][name])
        for key, row in ours.items()
        for name in theirs[key]
        if _canonical(row[name]) != _canonical(theirs[key][name])
    ]


def _canonical(value: Any) -> Any:
    """A value with its type; an integer of more than 64 bits as a double, for jsonb writes 1e21 with all its digits."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, int) and abs(value) >= 2**63:
        return float, float(value)
    return type(value), value


def sql_view(view: View, profile: Profile) -> sa.Table:
    """A view as SQLAlchemy reads it."""
    types = sql_types(profile.warehouse)
    columns = [sa.Column(column.name, types[column.type]) for column in view.columns]
    return sa.Table(view.name, sa.MetaData(schema=profile.dataset_of_views), *columns)


class Reference(Place):
    """A DuckDB file under a profile name that no environment variable speaks of."""

    @property
    def profile(self) -> Profile:
        return Profile("reference", "duckdb", "weave", {"credentials": str(self.file)})


@dataclasses.dataclass(frozen=True)
class Landing(Place):
    """A dataset of `warehouse`, which the environment leads to."""

    warehouse: Warehouse
    dataset: str

    @property
    def profile(self) -> Profile:
        return Profile(self.warehouse.name, self.warehouse.name, self.dataset, {})

    def tables(self) -> Tables:
        """Every table's rows, read through SQLAlchemy; JSON parsed, times in UTC."""
        with reading(self.profile) as connection:
            names = {name.split(".")[-1] for name in sa.inspect(connection).get_table_names(schema=self.dataset)}
            stored = sql_tables(self.dataset, self.profile.warehouse)
            return {t.name: self._rows(connection, t, stored[t.name]) for t in TABLES if t.name in names}

    def view_rows(self, view: View) -> list[Row]:
        """A view's rows, read in the same way."""
        with reading(self.profile) as connection:
            return self._rows(connection, view, sql_view(view, self.profile))

    def _rows(self, connection: sa.Connection, table: Table | View, stored: sa.Table) -> list[Row]:
        columns = stored.c
        nulls = [columns[column.name].is_(None).label(f"{column.name}_is_null") for column in table.columns]
        found = connection.execute(sa.select(*columns, *nulls)).mappings()
        return ordered([{c.name: self._plain(c.type, row, c.name) for c in table.columns} for row in found])

    def _plain(self, kind: str, row: sa.RowMapping, name: str) -> Any:
        value = row[name]
        if kind == "timestamp" and value is not None:
            if EPOCH_FOR_NULL in self.warehouse.differences and row[f"{name}_is_null"]:
                return None
            return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
        return value
