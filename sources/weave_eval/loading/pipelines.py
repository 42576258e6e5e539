"""The pipeline of a project: made and run; and its lock."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.common.pipeline import LoadInfo, get_dlt_pipelines_dir
from dlt.common.schema.typing import C_DLT_LOAD_ID, PIPELINE_STATE_TABLE_NAME
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.extract.source import DltSource
from dlt.pipeline.helpers import retry_schema_update
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from ..state.soundness import digest
from ..warehouse.location import Location
from ..warehouse.locks import require_writable
from ..warehouse.profiles import Profile
from .dlt_settings import require_honoured
from .resources import FILES_FOLDER

_SCHEMA_ATTEMPTS = 6
_BASED_ON = "weave_eval_based_on"
_PENDING = {"normalize/extracted", "load/normalized"}
"""Where dlt keeps packages that are still to be loaded."""


def run_pipeline(pipeline: dlt.Pipeline, source: DltSource | None = None) -> LoadInfo | None:
    """Runs the pipeline, again if another project's load made the same tables at the same moment.

    The working folder remembers what state a new package starts from.
    """
    if source:
        pipeline.set_local_state_val(_BASED_ON, digest(saved_state(pipeline)))
    retrying = Retrying(
        retry=retry_if_exception(retry_schema_update()),
        stop=stop_after_attempt(_SCHEMA_ATTEMPTS),
        wait=wait_random(0.1, 1.0),
        reraise=True,
    )
    # A later attempt finishes the package that the first one has made.
    todo = [source]
    try:
        return retrying(lambda: pipeline.run(todo.pop() if todo else None))
    finally:
        remove_remains(pipeline)


def remove_remains(pipeline: dlt.Pipeline) -> None:
    """Removes rows from the working folder, but for those of packages that are still to be loaded.

    dlt keeps packages that were loaded or given up, and killed loads leave packages that were not whole yet.
    """
    working = Path(pipeline.working_dir)
    shutil.rmtree(working / FILES_FOLDER, ignore_errors=True)
    for folder in (path for step in ("normalize", "load") for path in (working / step).glob("*/")):
        if folder.relative_to(working).as_posix() not in _PENDING:
            for package in folder.iterdir():
                shutil.rmtree(package, ignore_errors=True)


def forget_old_states(pipeline: dlt.Pipeline, load_id: str) -> None:
    """Deletes the pipeline's states in the warehouse but for that of a load, if it has one.

    dlt adds one with each load and never deletes any. It goes on from the one whose load has the latest clock.
    """
    with pipeline.destination_client() as client, suppress(DestinationException):  # the next load will delete them
        assert isinstance(client, SqlJobClientBase)
        table = client.sql_client.make_qualified_table_name(PIPELINE_STATE_TABLE_NAME)
        loads = f"SELECT {C_DLT_LOAD_ID} FROM {table} WHERE pipeline_name = %s"
        query = f"DELETE FROM {table} WHERE pipeline_name = %s AND {C_DLT_LOAD_ID} <> %s AND %s IN ({loads})"
        client.sql_client.execute_sql(query, pipeline.pipeline_name, load_id, load_id, pipeline.pipeline_name)


def based_on(pipeline: dlt.Pipeline) -> str | None:
    """The digest of the state that the pipeline's latest package started from."""
    local: Mapping[str, Any] = pipeline.state["_local"]
    return local.get(_BASED_ON)


def saved_state(pipeline: dlt.Pipeline) -> Mapping[str, Any]:
    """The source's part of the pipeline's state."""
    state: Mapping[str, Any] = pipeline.state.get("sources", {}).get("weave_eval", {})
    return state


def make_pipeline(project: str, profile: Profile, location: Location, pipelines_dir: str | None = None) -> dlt.Pipeline:
    """The project's pipeline: its own name, state and staging dataset, so that projects load side by side.

    Its working folder belongs to one place: what was loaded elsewhere must not count here. Raises `SettingsError` if
    that folder cannot be written to, or dlt has a setting that loads cannot work with.
    """
    folder = pipelines_folder(location, pipelines_dir)
    require_writable(folder)
    pipeline = dlt.pipeline(
        pipeline_name=pipeline_name(project),
        destination=profile.destination(staging_layout=staging_layout(project)),
        dataset_name=profile.dataset,
        pipelines_dir=str(folder),
    )
    require_honoured(pipeline)
    return pipeline


def staging_layout(project: str) -> str:
    """The name of the project's staging dataset, with `%s` for the dataset."""
    return f"%s_staging_{project_slug(project)}"


def pipeline_name(project: str) -> str:
    """The name of the project's pipeline."""
    return f"weave_eval_{project_slug(project)}"


def pipelines_folder(location: Location, pipelines_dir: str | None = None) -> Path:
    """Where dlt keeps the working files of the pipelines into a place."""
    return Path(pipelines_dir or get_dlt_pipelines_dir()) / f"weave_eval_{location.type}_{location.mark}"


def project_slug(project: str) -> str:
    """A short name for a project that is legal in every warehouse and differs from every other project's."""
    words = re.sub(r"[^a-z0-9]+", "_", project.lower()).strip("_")[:24].strip("_")
    mark = hashlib.blake2b(project.encode(), digest_size=4).hexdigest()
    return f"{words}_{mark}" if words else mark


def lock_path(location: Location, project: str) -> Path:
    """The lock of a load: one for a DuckDB file, else one for a project in a place."""
    if location.database_file:
        return Path(f"{location.database_file}.lock")
    name = f"{location.type}_{location.mark}_{project_slug(project)}.lock"
    return Path(get_dlt_pipelines_dir()) / "weave_eval_locks" / name
