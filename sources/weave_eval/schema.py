"""What dlt knows of the tables, wherever they are loaded to: schema, keys and how rows are replaced."""

from __future__ import annotations

from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TSchemaContract, TTableSchema, TWriteDispositionConfig
from dlt.common.schema.utils import new_table

from .tables import TABLES, Column, Table

CONTRACT: TSchemaContract = {"tables": "freeze", "columns": "freeze", "data_type": "freeze"}
"""Nothing but the declared tables and columns is ever made."""


SCHEMA_NAME = "weave_eval"


def dlt_schema() -> Schema:
    """A dlt schema with all tables."""
    schema = Schema(SCHEMA_NAME)
    for table in TABLES:
        schema.update_table(_dlt_table(table))
    return schema


def _dlt_table(table: Table) -> TTableSchema:
    made = new_table(table.name, columns=list(dlt_columns(table).values()))
    made["x-bigquery-cluster-columns"] = list(table.cluster)  # type: ignore[typeddict-unknown-key]
    return made


def dlt_columns(table: Table) -> dict[str, TColumnSchema]:
    """A table's columns as dlt hints, by name."""
    return {column.name: _dlt_column(table, column) for column in table.columns}


def _dlt_column(table: Table, column: Column) -> TColumnSchema:
    hints: TColumnSchema = {
        "name": column.name,
        "data_type": column.type,
        "nullable": column.nullable,
        "description": column.description,
    }
    if column.name in table.key:
        hints["primary_key"] = True
    if column.is_preferred:
        hints["dedup_sort"] = "desc"
    return hints


RUNS = "run_id IN (SELECT run_id FROM {staging_table})"
SCOPE = f"{RUNS} AND project_id IN (SELECT project_id FROM {{staging_table}})"
"""Which rows of a table go when runs come: those of their project. A renamed one has its runs under both names."""


def write_disposition(table: Table, scope: str = SCOPE) -> TWriteDispositionConfig:
    """How rows replace older ones.

    A run is replaced whole: whatever the table holds of the runs in the load goes, and what was loaded comes. The
    tombstones that stand for runs without rows select the run but are not inserted. `scope` is SQL that tells those
    rows of the table, with `{staging_table}` for what comes.
    """
    if table.replace == "key":
        return {"disposition": "merge", "strategy": "delete-insert"}
    return {
        "disposition": "merge",
        "strategy": "delete-insert",
        "deduplicated": True,
        "destination_scope": scope,
        "source_filter": f"{table.kept} <> ''",
    }
