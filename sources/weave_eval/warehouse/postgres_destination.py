"""dlt's Postgres destination, with `jsonb` in the tables.

Parquet is copied through ADBC, which cannot write `jsonb`, so staging tables have `json`; the merge converts.
"""

from __future__ import annotations

from collections.abc import Iterable

import dlt.destinations
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TSchemaTables
from dlt.destinations.impl.postgres.postgres import PostgresClient

_FILES_AT_ONCE = 2
"""Files that are copied at the same time: each is held in memory in part."""

_WITH_JSONB = """
SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = %s AND data_type = 'jsonb'"""


class _Client(PostgresClient):
    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        """The table as dlt prepares it; the format of its files decides its types, so only staging tables have one."""
        table = super().prepare_load_table(table_name)
        if not self.sql_client.is_staging_dataset_active:
            table.pop("file_format", None)
        return table

    def _execute_schema_update_sql(self, only_tables: Iterable[str], store_schema: bool = True) -> TSchemaTables:  # noqa: FBT001, FBT002 - dlt's signature
        if self.sql_client.is_staging_dataset_active:
            self._drop_former_tables()
        return super()._execute_schema_update_sql(only_tables, store_schema)

    def _drop_former_tables(self) -> None:
        """Staging tables that were made for CSV have `jsonb`; what they hold was merged long ago."""
        found = self.sql_client.execute_sql(_WITH_JSONB, self.sql_client.dataset_name) or ()
        self.sql_client.drop_tables(*(name for (name,) in found))


class postgres(dlt.destinations.postgres):  # noqa: N801 - dlt knows destinations by such names
    """Postgres."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.max_parallel_load_jobs = _FILES_AT_ONCE
        return capabilities

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that makes `jsonb` columns."""
        return _Client


postgres.register()
