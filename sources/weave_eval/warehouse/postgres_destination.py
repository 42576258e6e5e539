"""dlt's Postgres destination, with `jsonb` in the tables, into which runs are copied without a detour.

Tables whose rows are replaced by key are merged as dlt does it. Their staging tables have `json`, for parquet is copied
through ADBC, which cannot write `jsonb`; the merge converts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import dlt.destinations
from dlt.common.configuration import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema import Schema
from dlt.common.schema.typing import TSchemaTables
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.impl.postgres import configuration
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from dlt.destinations.job_impl import ReferenceFollowupJobRequest

from ..errors import DestinationError
from ..tables import TABLES
from .connection_strings import PortedConnectionString
from .known_capabilities import KnownCapabilities
from .postgres_copy import CopyFile, CopyRuns
from .postgres_sessions import END_WITH_CLIENT
from .waiting_file import WaitingFile

_WITH_JSONB = """
SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = %s AND data_type = 'jsonb'"""


_OF_RUNS = frozenset(table.name for table in TABLES if table.replace == "run")
"""Tables whose rows are replaced run by run."""


_NOT_ALLOWED = "42501"


class _SqlClient(Psycopg2SqlClient):
    def open_connection(self) -> Any:
        """A connection whose queries end with this process."""
        connection = super().open_connection()
        with suppress(DatabaseException):  # systems on which the server cannot know
            self.execute_sql(END_WITH_CLIENT)
        return connection

    def create_dataset(self) -> None:
        """Makes the schema. Raises `DestinationError`, which names it, if the role may not."""
        try:
            super().create_dataset()
        except DatabaseException as error:
            if getattr(error.dbapi_exception, "pgcode", None) != _NOT_ALLOWED:
                raise
            schema, role = self.fully_qualified_dataset_name(), self.credentials.username
            raise DestinationError(
                f"The Postgres role {role!r} may not make the schema {schema}, which loads need. Have its owner run "
                f"GRANT CREATE ON DATABASE for the role, or CREATE SCHEMA {schema} AUTHORIZATION for it."
            ) from None


class _Client(PostgresClient):
    def __init__(
        self,
        schema: Schema,
        config: configuration.PostgresClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ):
        super().__init__(schema, config, capabilities)
        names = self.sql_client.dataset_name, self.sql_client.staging_dataset_name
        self.sql_client = _SqlClient(*names, config.credentials, capabilities)

    @contextmanager
    def maybe_ddl_transaction(self) -> Iterator[None]:
        """A transaction that changes tables, and gives up where a reader holds one of them: others wait behind it.

        dlt, or whoever has asked for the change, tries again.
        """
        with super().maybe_ddl_transaction():
            self.sql_client.execute_sql("SET LOCAL lock_timeout = '5s'")
            yield

    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        """The table as dlt prepares it; the format of its files decides its types, so only staging tables have one."""
        table = super().prepare_load_table(table_name)
        if not self.sql_client.is_staging_dataset_active:
            table.pop("file_format", None)
        return table

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        """Runs that come as parquet are not staged."""
        return not self._is_copied(table_name) and super().should_load_data_to_staging_dataset(table_name)

    def _is_copied(self, table_name: str) -> bool:
        """Whether the table takes parquet of runs, which is copied into it."""
        return table_name in _OF_RUNS and super().prepare_load_table(table_name).get("file_format") == "parquet"

    def create_load_job(
        self,
        table: PreparedTableSchema,
        file_path: str,
        load_id: str,
        restore: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> LoadJob:
        """Files of runs wait until all of their table are there."""
        if ReferenceFollowupJobRequest.is_reference_job(file_path):
            return CopyRuns(file_path)
        if self._is_copied(str(table["name"])):
            return WaitingFile(file_path)
        if file_path.endswith(".parquet"):
            return CopyFile(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """The job that copies a table's runs, once all its files are there."""
        if not self._is_copied(str(table_chain[0]["name"])):
            return super().create_table_chain_completed_followup_jobs(table_chain, completed_table_chain_jobs)
        jobs = [job for job in completed_table_chain_jobs or () if job.file_path.endswith(".parquet")]
        return [ReferenceFollowupJobRequest(jobs[0].job_file_info.file_name(), [job.file_path for job in jobs])]

    def _execute_schema_update_sql(self, only_tables: Iterable[str], store_schema: bool = True) -> TSchemaTables:  # noqa: FBT001, FBT002 - dlt's signature
        if self.sql_client.is_staging_dataset_active:
            self._drop_former_tables()
        return super()._execute_schema_update_sql(only_tables, store_schema)

    def _drop_former_tables(self) -> None:
        """Staging tables that were made for CSV have `jsonb`; what they hold was merged long ago."""
        found = self.sql_client.execute_sql(_WITH_JSONB, self.sql_client.dataset_name) or ()
        self.sql_client.drop_tables(*(name for (name,) in found))


@configspec(init=False)
class PostgresCredentials(configuration.PostgresCredentials, PortedConnectionString):
    """dlt's; errors name the class, so it is called the same."""

    def parse_native_representation(self, native_value: Any) -> None:
        """Takes a URL, also with the line break that a file with a secret ends in."""
        super().parse_native_representation(native_value.strip() if isinstance(native_value, str) else native_value)

    def get_query(self) -> dict[str, Any]:
        """The parameters of every connection: all of them speak UTF-8, whatever PGCLIENTENCODING says."""
        return {**super().get_query(), "client_encoding": "utf8"}


@configspec
class PostgresClientConfiguration(configuration.PostgresClientConfiguration):
    """dlt's, with these credentials."""

    credentials: PostgresCredentials


class postgres(KnownCapabilities[configuration.PostgresClientConfiguration], dlt.destinations.postgres):  # noqa: N801 - dlt knows destinations by such names
    """Postgres."""

    spec: type[configuration.PostgresClientConfiguration] = PostgresClientConfiguration

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        known = capabilities.supported_loader_file_formats or ()
        capabilities.supported_loader_file_formats = [*known, "reference"]
        return capabilities

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that makes `jsonb` columns."""
        return _Client


postgres.register()
