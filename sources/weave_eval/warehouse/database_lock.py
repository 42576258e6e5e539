"""One load of a project at a time, also from several machines: a lock in the database where it has such a thing."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from ..destinations import Location
from ..locks import busy_error
from .engine import make_engine

_POLL_SECONDS = 1.0
_LONGEST_NAME = 63  # bytes, of a connection's name in Postgres

_TRY = text("SELECT pg_try_advisory_lock(:key)")
_RELEASE = text("SELECT pg_advisory_unlock(:key)")
_NAME = text("SELECT set_config('application_name', :name, false)")
_HOLDER = text("""
SELECT a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = :key""")


@contextmanager
def database_lock(location: Location, project: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds Postgres' lock of a project in a dataset through a connection of its own; elsewhere, nothing.

    It ends with the connection, however the load ends. Raises `BusyError`, naming the holder, if it is not free
    within `wait_seconds`.
    """
    if location.type != "postgres":
        yield
        return
    engine = make_engine(location)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = lock_key(location.dataset, project)
        connection.execute(_NAME, {"name": _own_name(project)})
        _acquire(connection, key, wait_seconds)
        try:
            yield
        finally:
            connection.execute(_RELEASE, {"key": key})


def lock_key(dataset: str, project: str) -> int:
    """The number of the lock: 63 bits."""
    digest = hashlib.blake2b(f"weave_eval {dataset} {project}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _own_name(project: str) -> str:
    name = f"process {os.getpid()} on {platform.node()}, loading {project}"
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _acquire(connection: Connection, key: int, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not connection.scalar(_TRY, {"key": key}):
        left = deadline - time.monotonic()
        if left <= 0:
            raise busy_error(_holder(connection, key))
        time.sleep(min(left, _POLL_SECONDS))


def _holder(connection: Connection, key: int) -> str | None:
    found = connection.execute(_HOLDER, {"key": key}).first()
    return f"{found[0]}, since {found[1]} UTC" if found and found[0] else None
