"""Tables and columns that a dataset has lost: they are made again, and every project in it starts over."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from dlt.common.destination.exceptions import DestinationException, DestinationUndefinedEntity
from dlt.common.schema import Schema
from dlt.common.schema.typing import LOADS_TABLE_NAME, PIPELINE_STATE_TABLE_NAME, VERSION_TABLE_NAME
from dlt.common.schema.utils import pipeline_state_table
from dlt.common.versioned_state import decompress_state
from dlt.destinations.job_client_impl import SqlJobClientBase

from ..errors import DestinationError
from ..schema import dlt_schema
from ..tables import TABLES_BY_NAME
from .connection import job_client
from .profiles import Profile

Lost = Mapping[str, list[str]]
"""By table the columns that are lost; none if it is lost whole."""

_BOOKS = (VERSION_TABLE_NAME, LOADS_TABLE_NAME, PIPELINE_STATE_TABLE_NAME)


def find_lost(client: SqlJobClientBase) -> Lost:
    """What the dataset once held rows in, by the schemas that dlt keeps there, and lacks now; also dlt's own tables."""
    if not client.is_storage_initialized():
        return {}
    known = _columns_with_rows(client)
    names = list(dict.fromkeys([*_BOOKS, *TABLES_BY_NAME, *known]))
    held = {name: {column.lower() for column in columns} for name, columns in client.get_storage_tables(names)}
    if not any(held.values()):
        return {}
    whole: dict[str, list[str]] = {name: [] for name in [*_BOOKS, *known] if not held[name]}
    parts = {name: sorted(column for column in columns if column not in held[name]) for name, columns in known.items()}
    return whole | {name: columns for name, columns in parts.items() if columns and name not in whole}


def restore_lost(client: SqlJobClientBase, profile: Profile) -> Lost:
    """Makes what is lost again, and has every project of the dataset start over; returns what was lost.

    Raises `DestinationError` if it cannot be made.
    """
    lost = find_lost(client)
    if lost:
        _forget_states(client, lost)
        _make(profile, lost)
    return lost


def lost_text(lost: Lost) -> str:
    """What is lost, in words."""
    return ", ".join(f"{table} ({', '.join(columns)})" if columns else table for table, columns in sorted(lost.items()))


def _columns_with_rows(client: SqlJobClientBase) -> dict[str, set[str]]:
    """The columns of the tables that rows have come for, by any schema that was ever used; projects have their own."""
    table = client.sql_client.make_qualified_table_name(VERSION_TABLE_NAME)
    query = f"SELECT {client.sql_client.escape_column_name('schema')} FROM {table} WHERE schema_name = %s"
    found: dict[str, set[str]] = defaultdict(set)
    with suppress(DestinationUndefinedEntity):
        for (text,) in client.sql_client.execute_sql(query, client.schema.name) or ():
            for name, columns in _with_rows(text):
                found[name] |= columns
    return found


def _with_rows(text: str) -> Iterator[tuple[str, set[str]]]:
    """The tables with rows, and their columns, in a schema as dlt stores it; none in what is not to be read."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, zlib.error):
        stored: dict[str, Any] = decompress_state(text)
        for name, table in stored["tables"].items():
            if table.get("x-normalizer", {}).get("seen-data") and name in TABLES_BY_NAME:
                yield name, {column.lower() for column, hints in table["columns"].items() if "data_type" in hints}


def _forget_states(client: SqlJobClientBase, lost: Lost) -> None:
    """Deletes what the projects remember of their loads: each reads every run again."""
    if PIPELINE_STATE_TABLE_NAME not in lost:
        table = client.sql_client.make_qualified_table_name(PIPELINE_STATE_TABLE_NAME)
        client.sql_client.execute_sql(f"DELETE FROM {table} WHERE pipeline_name LIKE 'weave_eval_%%'")


def _make(profile: Profile, lost: Lost) -> None:
    schema = dlt_schema()
    schema.update_table(pipeline_state_table(add_dlt_id=True))
    stored: Any = schema.to_dict()
    saved = Schema.from_dict(stored)  # dlt makes the tables of saved schemas only
    with job_client(profile, saved) as client:
        try:
            client.update_stored_schema(only_tables=list(lost), force=True)
        except DestinationException as error:
            if not find_lost(client):
                return  # another project's load was faster
            raise DestinationError(
                f"The dataset {profile.dataset} lacks {lost_text(lost)}, which it had, and it cannot be made again: "
                f"{' '.join(str(error).split())} Drop the table; the next load makes it and reads every run again."
            ) from None
