"""Queries that loads ask of our tables, through dlt's client: to import SQLAlchemy would take longer than they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dlt.destinations.job_client_impl import SqlJobClientBase

from ..tables import TABLES
from .connection import job_client
from .failures import busy_if_in_use, destination_errors
from .profiles import Profile

_MAX_KEYS = 500
"""Keys asked for in one query; some warehouses bound the number of parameters."""


class TableReader:
    """Answers queries in SQL that all warehouses know, in which `{trials}` stands for a table and `%s` for a value."""

    def __init__(self, client: SqlJobClientBase):
        self._client = client
        name = client.sql_client.make_qualified_table_name
        self._names = {table.name: name(table.name) for table in TABLES}

    def has(self, table: str) -> bool:
        """Whether the table is there."""
        client = self._client
        return client.is_storage_initialized() and any(columns for _, columns in client.get_storage_tables([table]))

    def rows(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        """The answer. Raises dlt's `DatabaseException`."""
        return self._answer(query, self._names, values)

    def rows_of(self, query: str, keys: Sequence[str], *values: Any) -> Iterator[Sequence[Any]]:
        """The answers for all keys, a few hundred at a time: `{keys}` stands for them, after all other values."""
        for start in range(0, len(keys), _MAX_KEYS):
            portion = keys[start : start + _MAX_KEYS]
            marks = ", ".join(["%s"] * len(portion))
            yield from self._answer(query, {**self._names, "keys": marks}, (*values, *portion))

    def names_of(self, columns: Sequence[str]) -> str:
        """The columns for a query, in quotes where a warehouse wants them."""
        return ", ".join(map(self._client.sql_client.escape_column_name, columns))

    def _answer(self, query: str, names: dict[str, str], values: tuple[Any, ...]) -> Sequence[Sequence[Any]]:
        return self._client.sql_client.execute_sql(query.format_map(names), *values) or ()


@contextmanager
def table_reader(profile: Profile) -> Iterator[TableReader]:
    """A reader of a profile's tables; it makes a DuckDB file that is not there.

    Raises `SettingsError`, `DestinationError`, or `BusyError` for a DuckDB file that is being loaded into.
    """
    with busy_if_in_use(profile), destination_errors(profile), job_client(profile) as client:
        yield TableReader(client)
