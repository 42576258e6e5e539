"""Merges that name the runs they replace, for warehouses that lay tables out in sorted blocks.

BigQuery and Snowflake leave out the blocks that a condition on constants excludes. Whether they do so for what a
subquery finds, as dlt's merge has it, is up to their optimizers; where they do not, a load costs what the table holds.
"""

from __future__ import annotations

import re

from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.destinations.job_client_impl import SqlJobClientBase, SqlLoadJob

from ..schema import RUNS

_MOST_NAMED = 5_000
"""Ids in a statement; BigQuery takes a megabyte of SQL."""

_PLAIN = re.compile(r"[0-9A-Za-z-]+")
_SCOPE = re.compile(re.escape(RUNS).replace(re.escape("{staging_table}"), "(.+?)"))


class _Merge(SqlLoadJob):
    def _split_fragments(self, sql: str) -> list[str]:
        """The statements, with the ids of the staged runs in place of the query for them."""
        return super()._split_fragments(_SCOPE.sub(self._named, sql))

    def _named(self, scope: re.Match[str]) -> str:
        query = f"SELECT DISTINCT run_id FROM {scope[1]} ORDER BY run_id"
        ids = [run_id for (run_id,) in self._sql_client.execute_sql(query) or ()]
        if not 0 < len(ids) <= _MOST_NAMED or not all(map(_PLAIN.fullmatch, ids)):
            return scope[0]
        names = ", ".join(f"'{run_id}'" for run_id in ids)
        return f"run_id IN ({names})"


class NamesRuns(SqlJobClientBase):
    """A client whose merges name the runs they replace."""

    def create_load_job(
        self,
        table: PreparedTableSchema,
        file_path: str,
        load_id: str,
        restore: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> LoadJob:
        """The job that dlt makes; that of a merge names the runs."""
        if SqlLoadJob.is_sql_job(file_path):
            return _Merge(file_path)
        return super().create_load_job(table, file_path, load_id, restore)
