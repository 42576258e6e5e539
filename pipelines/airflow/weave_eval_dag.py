"""Loads W&B Weave evaluations, each project in a task of its own, and verifies them every night.

For Airflow 3.1 or later; docs/schedulers.md says what to set. A task that judges a load, such as a gate, goes where
`verify` is called: it gets what `load` returned. Another DAG follows a project with
`schedule=Asset("weave_eval/my-team/my-project")`, or all of them with `schedule=AssetAlias("weave_eval")`; what was
loaded is in the event's `extra`.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowNotFoundException, AirflowSkipException
from airflow.sdk import Asset, AssetAlias, Connection, Param, dag, get_current_context, task, task_group

if TYPE_CHECKING:  # the tasks import dlt, this file does not: Airflow parses it again and again
    from weave_eval import LoadOptions, LoadResult, Profile, Settings

DESTINATION = "postgres"  # a profile of destinations.toml, beside this file or where WEAVE_EVAL_DESTINATIONS says
WEAVE_CONNECTION = "weave_default"  # password: the W&B API key; host: base URL of Weave's API, if not the cloud's
WAREHOUSE_CONNECTION = "weave_warehouse"  # of type postgres, snowflake or google_cloud_platform
WAIT_SECONDS = 600.0  # for another load of the same project, or of the same DuckDB file

# Or else dlt looks up every setting, hundreds of them, as an Airflow Variable.
os.environ.setdefault("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "false")

LOADED = AssetAlias("weave_eval")
TIME = {"type": ["null", "string"], "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\d(T\d\d:\d\d|$)"}
PARAMS = {
    "projects": Param(
        [],
        type="array",
        items={"type": "string", "pattern": "^[^/]+/[^/]+$"},
        uniqueItems=True,
        description="Projects to load, as entity/project; none: those that SOURCES__WEAVE_EVAL__PROJECTS names.",
    ),
    "since": Param(None, **TIME, description="Read the runs that started at or after this time once more."),
    "until": Param(None, **TIME, description="Read the runs that started before this time once more."),
}


def weave_eval() -> None:
    """Each project by itself: what fails for one leaves the others alone."""

    @task_group
    def project(name: str) -> None:
        verify(loaded=load(project=name))

    project.expand(name=projects())


@task
def projects() -> list[str]:
    """The projects of the run's params, or else the configured ones."""
    from weave_eval import configured_projects

    named: list[str] = get_current_context()["params"]["projects"] or configured_projects()
    if not named:
        raise AirflowFailException(
            "No project was named. Set SOURCES__WEAVE_EVAL__PROJECTS where the tasks run, or trigger with projects."
        )
    return named


@task(map_index_template="{{ task.op_kwargs['project'] }}", outlets=[LOADED], multiple_outputs=False)
def load(project: str) -> dict[str, Any]:
    """Loads what is new or changed, or the range that the run's params name."""
    from weave_eval import load_project

    params = get_current_context()["params"]
    with _working(project, since=params["since"], until=params["until"]) as arguments:
        return _finish(load_project(*arguments))


@task(map_index_template="{{ task.op_kwargs['loaded']['project'] }}", outlets=[LOADED], multiple_outputs=False)
def verify(loaded: dict[str, Any]) -> dict[str, Any]:
    """Compares all runs with Weave and repairs the warehouse, if the run's params want it."""
    if not get_current_context()["params"]["verify"]:
        raise AirflowSkipException("The param verify is false.")
    from weave_eval import verify_project

    with _working(loaded["project"]) as arguments:
        verified = verify_project(*arguments)
        repair = _finish(verified.repair) if verified.repair else None
        return {**verified.findings.as_dict(), "repair": repair}


@contextmanager
def _working(project: str, **given: Any) -> Iterator[tuple[Settings, Profile, LoadOptions]]:
    """What to load with. An error that another attempt would meet again ends the task without one."""
    from weave_eval import DefectError, LoadOptions, SettingsError, TerminalApiError, resolve_settings

    weave = _connection(WEAVE_CONNECTION)
    key = {"api_key": weave.password, "base_url": weave.host} if weave else {}
    # The folder is new for each task: dlt finds in the warehouse how far the last load came.
    with tempfile.TemporaryDirectory(prefix="weave_eval_") as folder:
        try:
            options = LoadOptions(pipelines_dir=folder, wait_seconds=WAIT_SECONDS)
            yield resolve_settings(project=project, **given, **key), _profile(), options
        except (DefectError, SettingsError, TerminalApiError) as error:
            raise AirflowFailException(str(error)) from None


def _finish(result: LoadResult) -> dict[str, Any]:
    """Logs the result and tells the project's asset of new data."""
    fields = result.as_dict()
    logging.getLogger(__name__).info("%s", json.dumps(fields))
    if result.error:
        raise AirflowFailException(result.error)
    if result.unreconciled:
        runs = ", ".join(result.unreconciled[:10])
        raise AirflowFailException(f"{result.project}: these runs were loaded, but differ from Weave's counts: {runs}")
    if result.load_ids:
        asset = Asset(f"weave_eval/{result.project}")
        get_current_context()["outlet_events"][LOADED].add(asset, extra=fields)
    return fields


def _profile() -> Profile:
    from weave_eval import DESTINATIONS_FILE, profile

    beside = Path(__file__).with_name(DESTINATIONS_FILE)
    found = profile(DESTINATION, beside if beside.exists() else None)
    warehouse = _connection(WAREHOUSE_CONNECTION)
    credentials = {"credentials": _credentials(warehouse)} if warehouse else {}
    return replace(found, settings={**found.settings, **credentials})


def _connection(name: str) -> Connection | None:
    """The Connection, if there is one; without it dlt's configuration has to do. Airflow masks its secrets in logs."""
    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None


def _credentials(connection: Connection) -> Any:
    """A Connection as dlt knows credentials."""
    extra = connection.extra_dejson
    if connection.conn_type == "google_cloud_platform":
        return json.loads(extra["keyfile_dict"])
    if connection.conn_type == "snowflake":
        return {"username": connection.login, "password": connection.password, "host": extra.get("account"), **extra}
    return connection.get_uri().replace("postgres://", "postgresql://", 1)


for dag_id, schedule, is_verified in (("weave_eval", "17 * * * *", False), ("weave_eval_nightly", "47 3 * * *", True)):
    dag(
        dag_id=dag_id,
        schedule=schedule,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        max_active_tasks=4,  # projects at once
        params={**PARAMS, "verify": Param(is_verified, type="boolean", description="Compare all runs with Weave.")},
        default_args={
            "retries": 3,
            "retry_delay": timedelta(minutes=2),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=30),
            "execution_timeout": timedelta(hours=1),
        },
        doc_md=__doc__,
        tags=["weave"],
    )(weave_eval)()
