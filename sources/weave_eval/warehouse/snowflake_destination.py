"""dlt's Snowflake destination, whose merges name the runs they replace."""

from __future__ import annotations

import dlt.destinations
from dlt.destinations.impl.snowflake.configuration import SnowflakeClientConfiguration
from dlt.destinations.impl.snowflake.snowflake import SnowflakeClient

from .known_capabilities import KnownCapabilities
from .named_runs import NamesRuns


class _Client(NamesRuns, SnowflakeClient):
    """The client that names runs."""


class snowflake(KnownCapabilities[SnowflakeClientConfiguration], dlt.destinations.snowflake):  # noqa: N801 - dlt knows destinations by such names
    """Snowflake."""

    @property
    def client_class(self) -> type[SnowflakeClient]:
        """The client that names runs."""
        return _Client


snowflake.register()
