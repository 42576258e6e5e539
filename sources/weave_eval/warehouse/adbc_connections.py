"""Connections to Postgres through ADBC. Those that are open at the same time share what the driver looks up at first.

That is every type and column of the database, through a connection that it opens for it: as much work for the server
as copying a few thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from dlt.destinations.impl.postgres.factory import get_adbc_driver_location

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

_LOCK = Lock()
"""The driver counts a database's connections without one."""


@dataclass
class _Database:
    first: Connection
    users: int = 0


_OPEN: dict[str, _Database] = {}


@contextmanager
def known_database(uri: str) -> Iterator[None]:
    """Keeps what is known of a database while it lasts. Raises the driver's errors."""
    from adbc_driver_manager import dbapi  # noqa: PLC0415 - installed only with its extra

    with _LOCK:
        if uri not in _OPEN:
            first = dbapi.connect(driver=get_adbc_driver_location(), db_kwargs={"uri": uri})
            _OPEN[uri] = _Database(first)
        database = _OPEN[uri]
        database.users += 1
    try:
        yield
    finally:
        with _LOCK:
            database.users -= 1
            if not database.users:
                del _OPEN[uri]
                database.first.close()


@contextmanager
def adbc_connection(uri: str) -> Iterator[Connection]:
    """A connection to a known database. Raises the driver's errors."""
    with _LOCK:
        connection = _OPEN[uri].first.adbc_clone()
    try:
        yield connection
    finally:
        with _LOCK:
            connection.close()
