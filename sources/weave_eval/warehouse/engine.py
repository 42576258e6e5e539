"""Connections through SQLAlchemy, made from the same profiles that dlt loads into; they are only read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from .failures import busy_if_in_use, destination_errors, explained
from .profiles import Profile


@contextmanager
def reading(profile: Profile) -> Iterator[Connection]:
    """A connection to a profile's warehouse; a DuckDB file is free for loads again when it ends.

    Raises `SettingsError`, `DestinationError`, or `BusyError` for a DuckDB file that is being loaded into.
    """
    with busy_if_in_use(profile), destination_errors(profile):
        engine = profile.warehouse.engine(profile.location())
        try:
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise explained(error, profile) from None
        finally:
            engine.dispose()
