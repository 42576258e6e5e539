"""One load of a project at a time, also from several machines: an advisory lock of Postgres."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from .locks import busy_error

_POLL_SECONDS = 1.0
_LONGEST_NAME = 63  # bytes, of a connection's name

_TRY = "SELECT pg_try_advisory_lock(%s)"
_RELEASE = "SELECT pg_advisory_unlock(%s)"
_NAME = "SELECT set_config('application_name', %s, false)"
_HOLDER = """
SELECT a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = %s"""


@contextmanager
def advisory_lock(sql: SqlClientBase[Any], dataset: str, project: str, wait_seconds: float) -> Iterator[None]:
    """Holds the lock of a project in a dataset through a connection that is used for nothing else.

    It ends with the connection, however the load ends. Raises `BusyError`, naming the holder, if it is not free
    within `wait_seconds`, or dlt's `DestinationException`.
    """
    key = lock_key(dataset, project)
    sql.execute_sql(_NAME, _own_name(project))
    _acquire(sql, key, wait_seconds)
    try:
        yield
    finally:
        sql.execute_sql(_RELEASE, key)


def lock_key(dataset: str, project: str) -> int:
    """The number of the lock: 63 bits."""
    digest = hashlib.blake2b(f"weave_eval {dataset} {project}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _own_name(project: str) -> str:
    name = f"process {os.getpid()} on {platform.node()}, loading {project}"
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _acquire(sql: SqlClientBase[Any], key: int, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while sql.execute_sql(_TRY, key) != [(True,)]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise busy_error(_holder(sql, key))
        time.sleep(min(left, _POLL_SECONDS))


def _holder(sql: SqlClientBase[Any], key: int) -> str | None:
    for name, since in sql.execute_sql(_HOLDER, key) or ():
        return f"{name}, since {since} UTC" if name else None
    return None
