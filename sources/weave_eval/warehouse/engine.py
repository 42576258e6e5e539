"""SQLAlchemy engines made from the same profiles that dlt loads into; they are only read from."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.compiler import IdentifierPreparer

from .failures import destination_errors, explained
from .file_in_use import busy_if_in_use
from .profiles import Location, Profile

_IN_URL = ("account", "user", "password", "database", "warehouse", "role")


@contextmanager
def reading(profile: Profile) -> Iterator[Connection]:
    """A connection to a profile's warehouse.

    Raises `SettingsError`, `DestinationError`, or `BusyError` for a DuckDB file that is being loaded into.
    """
    with busy_if_in_use(profile), destination_errors(profile):
        engine = make_engine(profile.location())
        try:
            with engine.connect() as connection:
                if profile.type == "duckdb":
                    connection.exec_driver_sql("SET enable_progress_bar = false")  # it prints among the answers
                yield connection
        except SQLAlchemyError as error:
            raise explained(error, profile) from None
        finally:
            engine.dispose()


def make_engine(location: Location) -> Engine:
    """An engine for a place; it keeps no connection open, so that a DuckDB file stays free for loads."""
    return _ENGINES[location.type](location)


def _duckdb(location: Location) -> Engine:
    if location.is_unmade:
        return create_engine("duckdb:///:memory:", poolclass=NullPool)  # before the first load: it holds nothing
    url = URL.create("duckdb", database=str(location.database_file))
    return create_engine(url, poolclass=NullPool, connect_args={"read_only": True})


def _postgres(location: Location) -> Engine:
    url = make_url(location.credentials.to_native_representation())
    return create_engine(url.set(drivername="postgresql+psycopg2"), poolclass=NullPool)


def _bigquery(location: Location) -> Engine:
    credentials = location.credentials
    query = {}
    if not credentials.has_default_credentials():
        key = credentials.to_native_representation().encode()
        query["credentials_base64"] = base64.urlsafe_b64encode(key).decode()
    url = URL.create("bigquery", host=credentials.project_id, query=query)
    # What is read here is small: the client's other, faster way of fetching is not missed.
    warnings.filterwarnings("ignore", message="Cannot create BigQuery Storage client")
    return create_engine(url, poolclass=NullPool)


def _snowflake(location: Location) -> Engine:
    from snowflake.sqlalchemy import URL as SNOWFLAKE_URL  # noqa: PLC0415 - installed only with its extra

    given: dict[str, Any] = location.credentials.to_connector_params()
    in_url = {name: given.pop(name) for name in _IN_URL if name in given}
    engine = create_engine(SNOWFLAKE_URL(**in_url), poolclass=NullPool, connect_args=given)
    _quote_in_upper_case(engine.dialect.identifier_preparer)
    return engine


def _quote_in_upper_case(preparer: IdentifierPreparer) -> None:
    """Makes quoted names (those that are words of SQL) upper case, as Snowflake stores them."""
    quote = preparer.quote_identifier
    preparer.quote_identifier = lambda value: quote(value.upper())  # type: ignore[method-assign]


_ENGINES: dict[str, Callable[[Location], Engine]] = {
    "duckdb": _duckdb,
    "postgres": _postgres,
    "bigquery": _bigquery,
    "snowflake": _snowflake,
}
