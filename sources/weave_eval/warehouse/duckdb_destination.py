"""dlt's DuckDB destination, merging from the parquet files of a load.

dlt copies files into staging tables first and merges from those, so that every row is written twice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from threading import Lock

import dlt.destinations
from dlt.common.configuration import configspec
from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.impl.duckdb import configuration
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.job_client_impl import SqlLoadJob
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from .connection_strings import PortedConnectionString
from .known_capabilities import KnownCapabilities
from .waiting_file import WaitingFile

_LOADING = {
    "memory_limit": "224MB",
    "threads": 1,
    "preserve_insertion_order": False,
    "enable_external_file_cache": False,
    "allocator_background_threads": True,
    "allocator_flush_threshold": "8MB",
    "allocator_bulk_deallocation_flush_threshold": "8MB",
}
"""DuckDB takes most of the machine's memory if it is let; a merge needs little, and writes to disk what is too much.

Each thread keeps row groups of its own until they are full: with outputs of 1 KB, 120 MB each. A second thread made
loads of 100,000 and 200,000 trials no faster. The settings of the allocator give back what was freed.
"""

_MERGING = Lock()
"""Two merges at once need the memory of two."""

_GLOB = re.compile(r"[*?\[]")
_OUT_OF_MEMORY = re.compile("out of memory|failed to (pin|allocate)", re.IGNORECASE)


class _FilesForStaging(DuckDbSqlClient):
    """Names the files of a table where SQL wants its staging table."""

    def of(self, paths: dict[str, list[str]]) -> _FilesForStaging:
        """Takes the paths of each table's files."""
        self._paths = paths
        return self

    def make_qualified_table_name(self, table_name: str, quote: bool = True, casefold: bool = True) -> str:  # noqa: FBT001, FBT002 - dlt's signature
        """The table, or in place of its staging table the files."""
        if not self.is_staging_dataset_active:
            return super().make_qualified_table_name(table_name, quote, casefold)
        return f"read_parquet([{', '.join(map(_literal, self._paths[table_name]))}])"


class _Merge(SqlLoadJob):
    def run(self) -> None:
        """Merges; with as much memory as DuckDB would take by itself, if a transaction does not fit into ours.

        All of its texts of more than a block (256 KB) have to.
        """
        with _MERGING:
            try:
                super().run()
            except DatabaseException as error:
                if not (_OUT_OF_MEMORY.search(str(error)) and self._is_limited_here()):
                    raise
                self._lift_limit()
                super().run()

    def _lift_limit(self) -> None:
        sql = self._client.sql_client
        sql.execute_sql("RESET GLOBAL memory_limit")
        (row,) = sql.execute_sql("SELECT current_setting('memory_limit')") or ()
        sql.execute_sql(f"SET GLOBAL memory_limit = '{row[0]}'")  # until then, only the setting has changed

    def _is_limited_here(self) -> bool:
        settings = self._client.config.credentials.global_config or {}
        return settings.get("memory_limit") == _LOADING["memory_limit"]

    @property
    def _client(self) -> DuckDbClient:
        assert isinstance(self._job_client, DuckDbClient)
        return self._job_client


class _Client(DuckDbClient):
    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:  # noqa: ARG002
        """No table is staged."""
        return False

    def create_load_job(
        self,
        table: PreparedTableSchema,
        file_path: str,
        load_id: str,
        restore: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> LoadJob:
        """The rows of a merged table stay in their file until the merge reads them."""
        if table["write_disposition"] == "merge" and file_path.endswith(".parquet"):
            return WaitingFile(file_path)
        if SqlLoadJob.is_sql_job(file_path):
            return _Merge(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """The merge of a table, once all its files are there."""
        if table_chain[0]["write_disposition"] != "merge":
            return super().create_table_chain_completed_followup_jobs(table_chain, completed_table_chain_jobs)
        paths = defaultdict(list)
        for job in completed_table_chain_jobs or ():
            if job.file_path.endswith(".parquet"):
                paths[job.job_file_info.table_name].append(job.file_path)
        client = self.sql_client
        files = _FilesForStaging(
            client.dataset_name, client.staging_dataset_name, client.credentials, client.capabilities
        )
        return [SqlMergeFollowupJob.from_table_chain(table_chain, files.of(paths))]


@configspec(init=False)
class DuckDbCredentials(configuration.DuckDbCredentials, PortedConnectionString):  # type: ignore[misc]  # dlt's own bases differ in `database`
    """dlt's; errors name the class, so it is called the same."""


@configspec(init=False)
class DuckDbClientConfiguration(configuration.DuckDbClientConfiguration):
    """dlt's, with these credentials."""

    credentials: DuckDbCredentials


class duckdb(KnownCapabilities[configuration.DuckDbClientConfiguration], dlt.destinations.duckdb):  # noqa: N801 - dlt knows destinations by such names
    """DuckDB."""

    spec: type[configuration.DuckDbClientConfiguration] = DuckDbClientConfiguration

    def configuration(
        self,
        initial_config: configuration.DuckDbClientConfiguration,
        accept_partial: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> configuration.DuckDbClientConfiguration:
        """Dlt's settings, and what a profile's `global_config` does not set otherwise."""
        config = super().configuration(initial_config, accept_partial)
        if config.credentials:
            config.credentials.global_config = {**_LOADING, **(config.credentials.global_config or {})}
        return config

    @property
    def client_class(self) -> type[DuckDbClient]:
        """The client that merges from files."""
        return _Client


duckdb.register()


def _literal(path: str) -> str:
    """A path as SQL; statements of a merge are split at semicolons and line ends."""
    named = _GLOB.sub(lambda found: f"[{found[0]}]", path).replace("'", "''")
    for mark in (";", "\n", "\r"):
        named = named.replace(mark, f"' || chr({ord(mark)}) || '")
    return f"'{named}'"
