"""What a dataset needs beside its rows: views that readers never miss, indexes, and comments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.job_client_impl import SqlJobClientBase
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from ..errors import DestinationError
from ..tables import TABLES
from .base import Errors
from .failures import one_line
from .profiles import Profile
from .views.catalogue import Catalogue
from .views.model import fingerprint, views
from .views.place import ViewPlace

_ATTEMPTS = 5


def completion(profile: Profile) -> str:
    """What tables are complete with: the views of this version, in their dataset, or none."""
    return f"{profile.dataset_of_views} {fingerprint()}" if profile.makes_views else "no views"


def complete_tables(pipeline: dlt.Pipeline, profile: Profile) -> list[str]:
    """Makes the views, indexes and comments that are lacking; what stands in the way is a warning: the rows are in."""
    warnings: list[str] = []
    with (
        _noted(warnings, "some tables lack their index or comments", profile),
        pipeline.destination_client() as client,
    ):
        assert isinstance(client, SqlJobClientBase)
        if profile.makes_views:
            with _noted(warnings, "the views are not those of this version", profile):
                make_views(client, profile)
        profile.warehouse.make_indexes(client.sql_client)
        profile.warehouse.update_comments(client.sql_client)
    return warnings


@contextmanager
def _noted(warnings: list[str], what: str, profile: Profile) -> Iterator[None]:
    """Turns an error into a warning."""
    try:
        yield
    except _errors(profile) as error:
        warnings.append(f"The rows are loaded, but {what}: {one_line(error)}")


def _errors(profile: Profile) -> Errors:
    return DestinationException, DestinationError, *profile.warehouse.driver_errors


def make_views(client: SqlJobClientBase, profile: Profile) -> int:
    """Makes the tables and columns that are not there yet, and the views unless they are as declared; returns how many.

    Tries again where another load makes the same things. Raises dlt's `DatabaseException`, or `DestinationError`
    where a view that was not made here has the name of one of ours.
    """
    retrying = Retrying(
        retry=retry_if_exception(profile.warehouse.is_made_at_once),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random(0.2, 1.0),
        reraise=True,
    )
    return retrying(_make_views, client, profile)


def view_place(client: SqlJobClientBase, profile: Profile) -> ViewPlace:
    """Where the views of a profile are made."""
    assert profile.warehouse.dialect is not None
    return ViewPlace(client.sql_client, profile.dataset, profile.dataset_of_views, profile.warehouse.dialect)


def _make_views(client: SqlJobClientBase, profile: Profile) -> int:
    place = view_place(client, profile)
    found = profile.warehouse.find_views(place)
    _make_tables(client, profile, found)
    if found.is_up_to_date:
        return 0
    if found.foreign:
        raise DestinationError(
            f"{profile.dataset_of_views} has views called {', '.join(found.foreign)} that show something else. Name "
            "another dataset for the views in the profile (views_dataset), or switch them off (views = false)."
        )
    profile.warehouse.write_views(place, found)
    return len(views())


def _make_tables(client: SqlJobClientBase, profile: Profile, found: Catalogue) -> None:
    """Makes the tables and columns that no row has come for: the views read them."""
    names = [table.name for table in TABLES if table.name in client.schema.tables]
    if found.is_up_to_date and found.tables.issuperset(names):
        return
    with profile.warehouse.impatient(client.sql_client):
        client.update_stored_schema(only_tables=names, force=True)
