"""One interface to the four warehouses, for tests that must hold on all of them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import dlt
from dlt.common.destination import Destination
from dlt.dataset.utils import get_destination_clients
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase

Name = Literal["duckdb", "postgres", "bigquery", "snowflake"]
Comments = dict[tuple[str, str | None], str]

STANDARD_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE lower(table_schema) = '{dataset}' AND lower(table_name) = '{table}' ORDER BY ordinal_position"""
BIGQUERY_COLUMNS = """
SELECT column_name, data_type FROM `{dataset}`.INFORMATION_SCHEMA.COLUMNS
WHERE table_name = '{table}' ORDER BY ordinal_position"""
DUCKDB_COMMENTS = """
SELECT table_name, NULL, comment FROM duckdb_tables() WHERE schema_name = '{dataset}'
UNION ALL SELECT view_name, NULL, comment FROM duckdb_views() WHERE schema_name = '{dataset}'
UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = '{dataset}'"""
POSTGRES_COMMENTS = """
SELECT c.relname, a.attname, d.description FROM pg_description d
JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE c.relnamespace = '"{dataset}"'::regnamespace"""
SNOWFLAKE_COMMENTS = """
SELECT table_name, NULL, comment FROM information_schema.tables WHERE lower(table_schema) = '{dataset}'
UNION ALL SELECT table_name, column_name, comment FROM information_schema.columns
WHERE lower(table_schema) = '{dataset}'"""
COMMENTS: Mapping[str, str] = {
    "duckdb": DUCKDB_COMMENTS,
    "postgres": POSTGRES_COMMENTS,
    "snowflake": SNOWFLAKE_COMMENTS,
}


@dataclass(frozen=True)
class Warehouse:
    """A warehouse that tests may write to.

    `environment` holds the variables under which dlt finds it by its name, in another process too;
    `sqlalchemy_arguments` are the driver's arguments that the URL cannot carry;
    `differences` says in words where a stand-in is not as the real service is.
    """

    name: Name
    destination: Callable[[], Destination[Any, Any]]
    environment: Mapping[str, str]
    sqlalchemy_url: str
    sqlalchemy_arguments: Mapping[str, Any] = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    @property
    def file_format(self) -> Literal["parquet", "jsonl"]:
        """The format of files whose JSON columns arrive as JSON."""
        return "parquet" if self.name in {"duckdb", "postgres"} else "jsonl"

    def new_dataset(self) -> str:
        """Return a dataset name that nothing else uses."""
        return f"test_{uuid.uuid4().hex[:12]}"

    def pipeline(self, dataset: str, folder: Path) -> dlt.Pipeline:
        """Return a pipeline into `dataset`, of the same name, that keeps its working files in `folder`."""
        return dlt.pipeline(dataset, destination=self.destination(), dataset_name=dataset, pipelines_dir=str(folder))

    def table(self, dataset: str, table: str) -> str:
        """Return the table's name as SQL wants it: quoted, with its dataset."""
        return self._client(dataset).make_qualified_table_name(table)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query, on tables named in full, and return its rows."""
        with self._connection() as client, client.execute_query(sql) as cursor:
            return [tuple(row) for row in cursor.fetchall()]

    def json_value(self, fetched: Any) -> Any:
        """Return a JSON value that `rows` fetched as Python knows it; some drivers hand it over as text."""
        is_text = self.name in {"duckdb", "snowflake"} and fetched is not None
        return json.loads(fetched) if is_text else fetched

    def execute(self, sql: str) -> None:
        """Run a statement that returns no rows."""
        with self._connection() as client:
            client.execute_sql(sql)

    def columns(self, dataset: str, table: str) -> dict[str, str]:
        """Return the table's columns, in their order, with their types as the warehouse calls them."""
        query = BIGQUERY_COLUMNS if self.name == "bigquery" else STANDARD_COLUMNS
        rows = self.rows(query.format(dataset=dataset, table=table))
        return {column.lower(): data_type.upper() for column, data_type in rows}

    def comments(self, dataset: str) -> Comments:
        """Return the comments of a dataset by table and column; a table's own has no column."""
        if self.name == "bigquery":
            rows = self._bigquery_comments(dataset)
        else:
            rows = self.rows(COMMENTS[self.name].format(dataset=dataset))
        return {(table.lower(), column and column.lower()): text for table, column, text in rows if text}

    def drop(self, dataset: str) -> None:
        """Drop the dataset, and the staging dataset that dlt keeps beside it."""
        client = self._client(dataset)
        with client.with_staging_dataset():
            staging = client.fully_qualified_dataset_name()
        for name in (client.fully_qualified_dataset_name(), staging):
            self.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")

    def _bigquery_comments(self, dataset: str) -> list[tuple[Any, ...]]:
        # The stand-in keeps descriptions in its REST API only.
        with self._client(dataset) as client:
            api = client.native_connection
            tables = [api.get_table(item.reference) for item in api.list_tables(dataset)]
        of_columns = [(table.table_id, column.name, column.description) for table in tables for column in table.schema]
        return [*((table.table_id, None, table.description) for table in tables), *of_columns]

    @contextmanager
    def _connection(self) -> Iterator[SqlClientBase[Any]]:
        # A dataset that is there from the start: DuckDB refuses to look for tables in an unknown one.
        with self._client("main" if self.name == "duckdb" else "public") as client:
            yield client

    def _client(self, dataset: str) -> SqlClientBase[Any]:
        client, _ = get_destination_clients(dlt.Schema("tests"), self.destination(), dataset)
        assert isinstance(client, SqlJobClientBase)
        return client.sql_client
