"""One load of a project at a time, also from several machines: an advisory lock of Postgres.

A transaction holds it: no timeout for idle sessions ends that, and behind a pooler a transaction keeps its session.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.sql_client import SqlClientBase

from ..errors import DestinationError
from .locks import ProjectLock, busy_error

_POLL_SECONDS = 1.0
_LONGEST_NAME = 63  # bytes, of a connection's name

_SETTINGS = {
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
"""Of the transaction: it may be idle for long, and ends soon if the machine that loads is gone."""

_SET = "SELECT set_config(name, %s, true) FROM pg_settings WHERE name = %s"
_NAME = "SELECT set_config('application_name', %s, true)"
_TRY = "SELECT pg_try_advisory_xact_lock(%s)"
_HOLDER = """
SELECT a.application_name, to_char(COALESCE(a.xact_start, a.backend_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = %s"""


class AdvisoryLock(ProjectLock):
    """The lock of a project, held through a connection that is used for nothing else."""

    def __init__(self, sql: SqlClientBase[Any], dataset: str, project: str):
        self._sql = sql
        self._project = project
        self._key = lock_key(dataset, project)

    def acquire(self, wait_seconds: float) -> None:
        """Raises `BusyError`, naming the holder, if the lock is not free within `wait_seconds`."""
        deadline = time.monotonic() + wait_seconds
        self._begin()
        while not self._is_taken():
            left = deadline - time.monotonic()
            if left <= 0:
                raise busy_error(self._holder())
            time.sleep(min(left, _POLL_SECONDS))

    def renew(self) -> bool:
        """Takes the lock again if its connection was cut; returns whether it was.

        Raises `DestinationError` if another load holds it now, or dlt's `DestinationException`.
        """
        try:
            self._sql.execute_sql("SELECT 1")
        except DestinationException:  # dlt has connected again
            self._begin()
            if not self._is_taken():
                raise DestinationError(
                    f"The connection that held the lock of {self._project} was cut, and another load of it has begun "
                    f"({self._holder() or 'nobody knows which'}). What was loaded before stays; this load ends here."
                ) from None
            return True
        return False

    def release(self) -> None:
        """Ends the transaction, if its connection is still there."""
        with suppress(DestinationException):
            self._sql.rollback_transaction()

    def _begin(self) -> None:
        """Begins the transaction."""
        self._sql.native_connection.autocommit = False
        for name, value in _SETTINGS.items():
            self._sql.execute_sql(_SET, value, name)
        self._sql.execute_sql(_NAME, _own_name(self._project))

    def _is_taken(self) -> bool:
        """Tries to take the lock."""
        return self._sql.execute_sql(_TRY, self._key) == [(True,)]

    def _holder(self) -> str | None:
        for name, since in self._sql.execute_sql(_HOLDER, self._key) or ():
            return f"{name}, since {since} UTC" if name else None
        return None


@contextmanager
def advisory_lock(sql: SqlClientBase[Any], dataset: str, project: str, wait_seconds: float) -> Iterator[AdvisoryLock]:
    """Holds the lock of a project in a dataset, which ends with the connection, however the load ends.

    Raises `BusyError`, naming the holder, if it is not free within `wait_seconds`, or dlt's `DestinationException`.
    """
    lock = AdvisoryLock(sql, dataset, project)
    lock.acquire(wait_seconds)
    try:
        yield lock
    finally:
        lock.release()


def lock_key(dataset: str, project: str) -> int:
    """The number of the lock: 63 bits."""
    digest = hashlib.blake2b(f"weave_eval {dataset} {project}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _own_name(project: str) -> str:
    name = f"process {os.getpid()} on {platform.node()}, loading {project}"
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")
