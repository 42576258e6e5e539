"""Whether a load would work: the key, the project, the API behind the base URL, and the destination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from dlt.common.schema import Schema
from dlt.destinations.sql_client import SqlClientBase

from .client import Patience, WeaveClient
from .credentials import api_key, trace_base_url
from .destinations import Profile
from .discovery import EVALUATE_OPS, RunFilter, runs_filter
from .errors import WeaveEvalError
from .failures import destination_errors
from .limiter import RateLimiter
from .settings import Settings

_IMPATIENT = Patience(read_timeout=30.0, retry_budget=10.0, max_attempts=2)


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: what was found, or the error that stands in the way."""

    subject: str
    text: str
    error: WeaveEvalError | None = None


def check(settings: Settings, profile: Profile) -> Iterator[Finding]:
    """Checks the key, then the API and project, then the destination; an error ends the first two together."""
    yield from _checked(
        ("key", lambda: _check_key(settings)),
        ("project", lambda: _check_project(settings)),
    )
    yield from _checked(("destination", lambda: _check_destination(profile)))


def _checked(*checks: tuple[str, Callable[[], str]]) -> Iterator[Finding]:
    for subject, run in checks:
        try:
            yield Finding(subject, run())
        except WeaveEvalError as error:
            yield Finding(subject, str(error), error)
            return


def _check_key(settings: Settings) -> str:
    api_key(settings.api_key)
    return "an API key was found"


class _Stats(msgspec.Struct):
    count: int


def _check_project(settings: Settings) -> str:
    base_url = trace_base_url(settings.base_url)
    limiter = RateLimiter(settings.requests_per_second)
    client = WeaveClient(base_url, api_key(settings.api_key), settings.project, limiter=limiter, patience=_IMPATIENT)
    ops = settings.evaluate_ops or EVALUATE_OPS
    body = {"project_id": settings.project, "filter": runs_filter(settings.project, RunFilter(), ops)}
    decoder = msgspec.json.Decoder(_Stats)
    stats = client.post("/calls/query_stats", body, decoder.decode, purpose="counting the evaluation runs")
    client.close()
    return f"{settings.project} has {stats.count} evaluation runs at {base_url}"


def _check_destination(profile: Profile) -> str:
    """Makes a table and drops it, and the dataset too if it was not there."""
    probe = f"weave_eval_check_{uuid4().hex[:8]}"
    with destination_errors(profile), _client(profile, probe) as sql:
        is_new = not sql.has_dataset()
        if is_new:
            sql.create_dataset()
        table = sql.make_qualified_table_name(probe)
        sql.execute_sql(f"CREATE TABLE {table} (a INT)")
        sql.execute_sql(f"DROP TABLE {table}")
        if is_new:
            sql.drop_dataset()
    return f"{profile.name} ({profile.type}), dataset {profile.dataset}, can be written to"


@contextmanager
def _client(profile: Profile, name: str) -> Iterator[SqlClientBase[Any]]:
    destination = profile.destination()
    spec = destination.spec()._bind_dataset_name(profile.dataset)  # noqa: SLF001 - as dlt's own pipeline does
    with destination.client(Schema(name), spec) as client:
        yield client.sql_client
