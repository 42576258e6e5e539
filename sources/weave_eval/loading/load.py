"""Loading a project into a warehouse, and saying beforehand what a load would read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..api.client import WeaveClient
from ..settings import Settings
from ..warehouse.failures import busy_if_in_use, destination_errors
from ..warehouse.location import Location
from ..warehouse.locks import ProjectLock, load_lock
from ..warehouse.profiles import Profile
from ..warehouse.project_lock import project_lock
from .busy_spell import told_when_it_lasts
from .context import LoadContext, WarehouseStored, connect
from .execution import Execution
from .outcome import LoadResult, Progress
from .pipelines import lock_path, project_slug
from .planning import Plan, make_plan
from .resuming import expected_state, resume


@dataclass(frozen=True)
class LoadOptions:
    """How to load.

    `pipelines_dir` is where dlt keeps its files. `wait_seconds` is how long to wait for another load. `is_full` reads
    every run again and removes those that Weave no longer has.
    """

    pipelines_dir: str | None = None
    wait_seconds: float = 0.0
    progress: Progress | None = None
    is_full: bool = False


DEFAULTS = LoadOptions()


def load_project(settings: Settings, profile: Profile, options: LoadOptions = DEFAULTS) -> LoadResult:
    """Loads what is new or changed in a project, proves it, and leaves a record.

    Raises `SettingsError`, `ApiError`, `DestinationError`, `BusyError` or `LockedOutError`; whatever was loaded before
    the error stays loaded, and the next load goes on from there.
    """
    with locked(settings, profile, options) as (location, client, lock):
        resumed = resume(settings.project, profile, location, options.pipelines_dir)
        context = LoadContext(settings, client, WarehouseStored(profile, settings.project), options.is_full)
        command = "full load" if context.is_full else "range load" if context.is_range else "load"
        return Execution(context, profile, resumed, command, lock=lock, progress=options.progress).run()


def plan_project(settings: Settings, profile: Profile, options: LoadOptions = DEFAULTS) -> Plan:
    """What `load_project` would read now; reads and writes no table."""
    with connect(settings) as client, destination_errors(profile):
        context = LoadContext(settings, client, WarehouseStored(profile, settings.project), options.is_full)
        return make_plan(context, expected_state(settings.project, profile))


@contextmanager
def locked(
    settings: Settings, profile: Profile, options: LoadOptions
) -> Iterator[tuple[Location, WeaveClient, ProjectLock]]:
    """Where the profile leads, a client, and the lock by which no other load of the same project runs."""
    with connect(settings) as client:
        with destination_errors(profile):
            location = profile.location()
        purpose = f"loading {settings.project}"
        lock_file = lock_path(location, settings.project)
        with (
            told_when_it_lasts(lock_file.with_suffix(f".{project_slug(settings.project)}.busy")),
            load_lock(lock_file, purpose, options.wait_seconds),
            busy_if_in_use(profile),
            destination_errors(profile),
            project_lock(profile, settings.project, options.wait_seconds) as lock,
        ):
            yield location, client, lock
