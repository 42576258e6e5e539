"""dlt's client of a warehouse, connected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dlt.common.destination.exceptions import DestinationException
from dlt.common.schema import Schema
from dlt.dataset.utils import get_destination_clients
from dlt.destinations.job_client_impl import SqlJobClientBase

from ..schema import SCHEMA_NAME
from .failures import explained
from .profiles import Profile


@contextmanager
def job_client(
    profile: Profile, schema: Schema | None = None, staging_layout: str | None = None
) -> Iterator[SqlJobClientBase]:
    """A connected client for a profile's dataset; it makes tables of `schema` only. `staging_layout` as in `Profile`.

    Raises dlt's errors, or `DestinationError` for whatever else a driver raises when it connects.
    """
    destination = profile.destination(staging_layout)
    client, _ = get_destination_clients(schema or Schema(SCHEMA_NAME), destination, profile.dataset)
    assert isinstance(client, SqlJobClientBase)
    with ExitStack() as stack:
        try:
            stack.enter_context(client)  # type: ignore[arg-type]  # dlt types its exit otherwise
        except DestinationException:
            raise
        except Exception as error:  # noqa: BLE001 - dlt lets the errors of some drivers through
            raise explained(error, profile) from None
        yield client
