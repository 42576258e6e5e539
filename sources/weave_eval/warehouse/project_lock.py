"""One load of a project at a time, also from several machines: a lock in the warehouse where it has such a thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .connection import job_client
from .locks import ProjectLock
from .profiles import Profile


@contextmanager
def project_lock(profile: Profile, project: str, wait_seconds: float = 0.0) -> Iterator[ProjectLock]:
    """Holds the warehouse's lock of a project in a dataset through a connection of its own, where it has such locks.

    Raises `BusyError`, naming the holder, if it is not free within `wait_seconds`, or dlt's `DestinationException`.
    """
    if not profile.warehouse.locks_projects:
        yield ProjectLock()
        return
    with job_client(profile) as client:
        profile.warehouse.require_usable(client.sql_client)
        with profile.warehouse.project_lock(client.sql_client, profile.dataset, project, wait_seconds) as lock:
            yield lock
