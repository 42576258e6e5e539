"""The pipeline of a project: made and run; and its lock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dlt
from dlt.common.pipeline import LoadInfo, get_dlt_pipelines_dir
from dlt.extract.source import DltSource
from dlt.pipeline.helpers import retry_schema_update
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from ..state.soundness import digest
from ..warehouse.location import Location
from ..warehouse.locks import require_writable
from ..warehouse.profiles import Profile

_SCHEMA_ATTEMPTS = 6
_BASED_ON = "weave_eval_based_on"


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
    return retrying(lambda: pipeline.run(todo.pop() if todo else None))


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
    that folder cannot be written to.
    """
    folder = pipelines_folder(location, pipelines_dir)
    require_writable(folder)
    return dlt.pipeline(
        pipeline_name=pipeline_name(project),
        destination=profile.destination(staging_layout=f"%s_staging_{project_slug(project)}"),
        dataset_name=profile.dataset,
        pipelines_dir=str(folder),
    )


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
