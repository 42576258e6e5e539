"""Connections to Postgres through ADBC. Those that are open at the same time share what the driver looks up at first.

That is every type and column of the database, through a connection that it opens for it: a sixth of the server's work
in a load of 5,000 trials.
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
class _Shared:
    connection: Connection
    users: int = 0


_OPEN: dict[str, _Shared] = {}


@contextmanager
def shared_connection(uri: str) -> Iterator[Connection]:
    """A connection that all share who ask for it meanwhile, to be cloned. Raises the driver's errors."""
    from adbc_driver_manager import dbapi  # noqa: PLC0415 - installed only with its extra

    with _LOCK:
        if uri not in _OPEN:
            connection = dbapi.connect(driver=get_adbc_driver_location(), db_kwargs={"uri": uri})
            _OPEN[uri] = _Shared(connection)
        shared = _OPEN[uri]
        shared.users += 1
    try:
        yield shared.connection
    finally:
        with _LOCK:
            shared.users -= 1
            if not shared.users:
                del _OPEN[uri]
                shared.connection.close()


@contextmanager
def clone_of(shared: Connection) -> Iterator[Connection]:
    """Another connection to its database. Raises the driver's errors."""
    with _LOCK:
        clone = shared.adbc_clone()
    try:
        yield clone
    finally:
        with _LOCK:
            clone.close()
