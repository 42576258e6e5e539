"""Replacing runs in a Postgres table: their rows go and those of parquet files come, in one transaction.

The files are copied into the table itself, as the binary form of its columns. A staging table would have every row
written twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dlt.common.data_writers.escape import escape_postgres_literal
from dlt.common.destination.client import HasFollowupJobs, RunnableLoadJob
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.job_impl import ReferenceFollowupJobRequest

from ..tables import TABLES_BY_NAME
from .adbc_connections import clone_of, shared_connection
from .postgres_sessions import END_WITH_CLIENT

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Cursor

_COPIES = BoundedSemaphore(2)
"""At the same time: the rows of one are packed here while the server takes in those of another."""

_JSONB_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = {} AND table_name = {} AND data_type = 'jsonb'"""
_JSONB_VERSION = pa.scalar(b"\x01", pa.binary())
"""What Postgres wants before the text of a `jsonb` value in its binary form."""


class _Copy(RunnableLoadJob):
    """A job that copies rows into a table."""

    @property
    def _client(self) -> PostgresClient:
        assert isinstance(self._job_client, PostgresClient)
        return self._job_client

    @contextmanager
    def _copying(self) -> Iterator[tuple[Cursor, str, str]]:
        """A transaction when its turn has come, the schema and the table."""
        uri = self._client.config.credentials.to_native_representation()
        *_, schema, table = self._client.sql_client.make_qualified_table_name_path(self.load_table_name, quote=False)
        with shared_connection(uri) as shared, _COPIES, clone_of(shared) as connection, connection.cursor() as cursor:
            cursor.execute(END_WITH_CLIENT)
            cursor.fetchall()
            yield cursor, schema, table
            connection.commit()


class CopyFile(_Copy, HasFollowupJobs):
    """A job for a parquet file that goes into a staging table."""

    def run(self) -> None:
        """Copies the file."""
        with self._copying() as (cursor, schema, table):
            for rows in _row_groups(self._file_path):
                cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema)


class CopyRuns(_Copy):
    """A job for a list of parquet files of one table."""

    def run(self) -> None:
        """Replaces the runs that the files have rows or tombstones of."""
        files = ReferenceFollowupJobRequest.resolve_references(self._file_path)
        name = self._client.sql_client.make_qualified_table_name(self.load_table_name)
        with self._copying() as (cursor, schema, table):
            # If a load goes on that has lost its lock, the second to come removes what the first has copied.
            turn = _literals([f"weave_eval {self._client.sql_client.staging_dataset_name} {table}"])
            cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext({turn})) IS NULL")
            cursor.fetchall()
            runs, projects = (_literals(_values(files, column)) for column in ("run_id", "project_id"))
            cursor.execute(f"DELETE FROM {name} WHERE run_id = ANY (ARRAY[{runs}]) AND project_id IN ({projects})")
            cursor.execute(_JSONB_COLUMNS.format(_literals([schema]), _literals([table])))
            jsonb = {column for (column,) in cursor.fetchall()}
            for rows in _kept_rows(files, TABLES_BY_NAME[self.load_table_name].kept or ""):
                cursor.adbc_ingest(table, _with_jsonb(rows, jsonb), mode="append", db_schema_name=schema)


def _values(files: Sequence[str], name: str) -> list[str]:
    """What a column of the files holds, each value once."""
    groups = (group[name] for path in files for group in _row_groups(path, [name]))
    return sorted({str(value) for column in groups for value in pc.unique(column).to_pylist()})


def _row_groups(path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """A file's rows, as many at a time as were written together.

    Other ways of reading read far ahead, and the driver keeps all that it is given at once.
    """
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns)


def _literals(texts: Sequence[str]) -> str:
    return ", ".join(map(escape_postgres_literal, texts))


def _kept_rows(files: Sequence[str], kept: str) -> Iterator[pa.Table]:
    """The rows of the files, some at a time, without those that stand for a run: their column `kept` is empty."""
    for path in files:
        for rows in _row_groups(path):
            is_kept = pc.not_equal(rows[kept], pa.scalar(""))
            yield rows if pc.all(is_kept).as_py() else rows.filter(is_kept)


def _with_jsonb(rows: pa.Table, jsonb: set[str]) -> pa.Table:
    for index, name in enumerate(rows.schema.names):
        if name in jsonb:
            rows = rows.set_column(index, name, _binary_json(rows[name]))
    return rows


def _binary_json(texts: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    join: Any = pc.binary_join_element_wise  # its declared types know no scalars beside arrays
    joined: pa.ChunkedArray[Any] = join(_JSONB_VERSION, texts.cast(pa.binary()), pa.scalar(b"", pa.binary()))
    return joined
