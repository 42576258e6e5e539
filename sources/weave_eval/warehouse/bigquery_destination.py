"""dlt's BigQuery destination, whose merges name the runs they replace."""

from __future__ import annotations

import dlt.destinations
from dlt.destinations.impl.bigquery.bigquery import BigQueryClient
from dlt.destinations.impl.bigquery.configuration import BigQueryClientConfiguration

from .known_capabilities import KnownCapabilities
from .named_runs import NamesRuns


class _Client(NamesRuns, BigQueryClient):
    """The client that names runs."""


class bigquery(KnownCapabilities[BigQueryClientConfiguration], dlt.destinations.bigquery):  # noqa: N801 - dlt knows destinations by such names
    """BigQuery."""

    @property
    def client_class(self) -> type[BigQueryClient]:
        """The client that names runs."""
        return _Client


bigquery.register()
