"""Whether a load would work: settings, key, project, the API behind the base URL, destination, and local files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import dlt
from dlt.common.schema import Schema
from dlt.destinations.sql_client import SqlClientBase

from ..api.calls import count_calls
from ..api.client import WeaveClient
from ..api.credentials import api_key, trace_base_url
from ..api.limiter import RateLimiter
from ..api.retries import Patience
from ..errors import UnconfirmedError, WeaveEvalError
from ..reading.discovery import EVALUATE_OPS, runs_filter
from ..rows.privacy import Privacy, parse_rules
from ..settings import Settings, resolve_settings
from ..warehouse.connection import job_client
from ..warehouse.failures import destination_errors, explained
from ..warehouse.locks import require_writable
from ..warehouse.profiles import Profile
from ..weave.run_filter import RunFilter
from .context import LoadContext, WarehouseStored
from .deletions import require_known_server, require_likely
from .pipelines import lock_path, make_pipeline, pipelines_folder, staging_layout
from .resuming import expected_state
from .unlisted import unlisted_evaluations

_IMPATIENT = Patience(read_timeout=30.0, retry_budget=10.0, max_attempts=2)


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: what was found, or the error that stands in the way."""

    subject: str
    text: str
    error: WeaveEvalError | None = None


def check(projects: Sequence[str | None], destination: Callable[[], Profile]) -> Iterator[Finding]:
    """Checks each project, its settings and key; then the destination, and what a load writes on this machine.

    None stands for the project that dlt finds; `destination` gives the profile, or raises `SettingsError`.
    """
    for project in projects:
        yield from _check_source(partial(resolve_settings, project=project))
    yield from _checked(
        ("destination", lambda: _check_destination(destination(), projects)),
        ("files", lambda: _check_files(destination(), projects)),
    )
    for project in projects:
        for finding in _checked(("runs", partial(_check_runs, project, destination))):
            if isinstance(finding.error, UnconfirmedError):  # any other was found above
                yield finding


def _check_source(settings: Callable[[], Settings]) -> Iterator[Finding]:
    return _checked(
        ("settings", lambda: _check_settings(settings())),
        ("key", lambda: _check_key(settings())),
        ("project", lambda: _check_project(settings())),
    )


def _checked(*checks: tuple[str, Callable[[], str]]) -> Iterator[Finding]:
    for subject, run in checks:
        try:
            yield Finding(subject, run())
        except WeaveEvalError as error:
            yield Finding(subject, str(error), error)
            return


def _check_settings(settings: Settings) -> str:
    rules = parse_rules(settings.privacy or ())
    Privacy(settings.privacy or (), settings.privacy_key)
    return f"{settings.project}, {len(rules) or 'no'} privacy rules"


def _check_key(settings: Settings) -> str:
    api_key(settings.api_key)
    return "an API key was found"


def _check_project(settings: Settings) -> str:
    with _impatient_client(settings) as client:
        found = f"{settings.project} has {_count_runs(settings, client)} evaluation runs at {client.base_url}"
        unlisted = unlisted_evaluations(client, settings.evaluate_ops or EVALUATE_OPS)
        return f"{found}. {unlisted}" if unlisted else found


def _impatient_client(settings: Settings) -> WeaveClient:
    base_url, key = trace_base_url(settings.base_url), api_key(settings.api_key)
    limiter = RateLimiter(settings.requests_per_second)
    return WeaveClient(base_url, key, settings.project, limiter=limiter, patience=_IMPATIENT)


def _count_runs(settings: Settings, client: WeaveClient) -> int:
    ops = settings.evaluate_ops or EVALUATE_OPS
    query = {"project_id": settings.project, "filter": runs_filter(settings.project, RunFilter(), ops)}
    return count_calls(client, query, "counting the evaluation runs")


def _check_runs(project: str | None, destination: Callable[[], Profile]) -> str:
    """Whether a load would believe Weave, if the destination holds runs of the project: see `state.doubts`."""
    settings, profile = resolve_settings(project=project), destination()
    with _impatient_client(settings) as client, destination_errors(profile):
        context = LoadContext(settings, client, WarehouseStored(profile, settings.project))
        require_known_server(context, expected_state(settings.project, profile))
        live = context.stored.live_run_ids()
        if live and not _count_runs(settings, client):
            require_likely(context, live, live, ())
    return f"{len(live)} runs of {settings.project} are held"


def _check_destination(profile: Profile, projects: Sequence[str | None]) -> str:
    try:
        for project in projects:
            _write_to(profile, project or dlt.config.get("sources.weave_eval.project", str) or "entity/project")
    except Exception as error:  # noqa: BLE001 - whatever a driver raises
        raise explained(error, profile) from None
    return f"{profile.name} ({profile.type}), dataset {profile.dataset}, can be written to"


def _write_to(profile: Profile, project: str) -> None:
    """Makes what a load of the project would make, and removes it: tables in each dataset that it needs."""
    with tempfile.TemporaryDirectory(prefix="weave_eval_check_") as folder:
        make_pipeline(project, profile, profile.location(), folder)
    probe = f"weave_eval_check_{uuid4().hex[:8]}"
    with job_client(profile, Schema(probe), staging_layout(project)) as client:
        sql = client.sql_client
        profile.warehouse.require_usable(sql)
        with _dataset(sql):
            _make_and_drop_table(sql, probe)
            with sql.with_staging_dataset(), _dataset(sql):
                _make_and_drop_table(sql, probe)
            if profile.dataset_of_views != profile.dataset:
                with sql.with_alternative_dataset_name(profile.dataset_of_views), _dataset(sql):
                    _make_and_drop_table(sql, probe)


@contextmanager
def _dataset(sql: SqlClientBase[Any]) -> Iterator[None]:
    """A dataset that is dropped afterwards if it was not there before."""
    is_new = not sql.has_dataset()
    if is_new:
        sql.create_dataset()
    yield
    if is_new:
        sql.drop_dataset()


def _make_and_drop_table(sql: SqlClientBase[Any], name: str) -> None:
    table = sql.make_qualified_table_name(name)
    sql.execute_sql(f"CREATE TABLE {table} (a INT)")
    sql.execute_sql(f"DROP TABLE {table}")


def _check_files(profile: Profile, projects: Sequence[str | None]) -> str:
    """Tries nothing: a lock that is held, and the files of a load under way, are left alone."""
    location = profile.location()
    names = [resolve_settings(project=project).project for project in projects]
    folder = pipelines_folder(location)
    for path in [*(lock_path(location, name) for name in names), folder]:
        require_writable(path)
    return f"locks and dlt's working files can be written, to {folder}"
