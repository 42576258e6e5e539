"""What a load goes on from: what the warehouse says is in it, and a working folder that agrees with that.

A working folder may be lost, damaged, behind or ahead of the warehouse; packages in it may be older than another
machine's load. What does not agree is thrown away: the warehouse knows how far the last load got, and if it does
not, every run is read again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import dlt
import msgspec
import pyarrow.parquet as pq
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import (
    DestinationException,
    DestinationTransientException,
    DestinationUndefinedEntity,
)
from dlt.common.pipeline import LoadInfo
from dlt.common.storages.load_package import LoadPackageInfo
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from ..errors import SettingsError, WeaveEvalError, causes
from ..schema import SCHEMA_NAME
from ..state.soundness import digest, is_sound
from ..times import utc_now
from ..warehouse.connection import job_client
from ..warehouse.failures import is_out_of_room
from ..warehouse.location import Location
from ..warehouse.lost_tables import Lost, find_lost, lost_text, restore_lost
from ..warehouse.profiles import Profile
from .pipelines import (
    based_on,
    make_pipeline,
    pipeline_name,
    pipelines_folder,
    remove_remains,
    run_pipeline,
    saved_state,
)

_UNREADABLE = "The state that the last load left in the warehouse cannot be used: every run is read again."


@dataclass
class Resumed:
    """A project's pipeline, ready to load; `lost` is what the dataset lacked, `warnings` what the user should know."""

    pipeline: dlt.Pipeline
    lost: Lost
    warnings: list[str]


class _StoredState(msgspec.Struct):
    """What dlt keeps of a pipeline in the warehouse."""

    name: str = msgspec.field(name="pipeline_name")
    version: int = msgspec.field(name="_state_version")
    hash: str = msgspec.field(name="_version_hash")
    schema_names: list[str] = []
    sources: dict[str, Any] = {}


class UnusableStateError(ValueError):
    """Neither this version nor dlt can go on from the state in the warehouse."""


def resume(project: str, profile: Profile, location: Location, pipelines_dir: str | None) -> Resumed:
    """The project's pipeline, in line with the warehouse."""
    warnings = profile.warehouse.set_aside_unfinished(location)
    pipeline = _readable(project, profile, location, pipelines_dir)
    remove_remains(pipeline)
    with job_client(profile) as client:
        lost = restore_lost(client, profile)
        if lost:
            warnings.append(_lost_warning(profile, lost))
        try:
            is_in_line = _is_in_line(pipeline, stored_state(client, pipeline.pipeline_name))
        except UnusableStateError:
            warnings.append(_UNREADABLE)
            pipeline.drop()
        else:
            if not is_in_line and not _restart(pipeline):
                warnings.append(_UNREADABLE)
    pipeline._state_restored = True  # noqa: SLF001 - dlt would ask the warehouse once more
    return Resumed(pipeline, lost, warnings)


def expected_state(project: str, profile: Profile) -> dict[str, Any]:
    """The state that a load would go on from; changes nothing."""
    if profile.location().is_unmade:
        return {}
    with job_client(profile) as client:
        try:
            return {} if find_lost(client) else stored_state(client, pipeline_name(project))
        except UnusableStateError:
            return {}


def lost_now(profile: Profile) -> Lost:
    """What the dataset has lost; changes nothing."""
    if profile.location().is_unmade:
        return {}
    with job_client(profile) as client:
        return find_lost(client)


def stored_state(client: SqlJobClientBase, name: str) -> dict[str, Any]:
    """What the warehouse has of the source's state; nothing before the first load.

    Raises `UnusableStateError` if it is garbage, of another version, or lies in the future.
    """
    try:
        found: Any = load_pipeline_state_from_destination(name, client) if client.is_storage_initialized() else None
    except DestinationUndefinedEntity:
        return {}
    except DestinationException:
        raise
    except Exception as error:
        raise UnusableStateError(str(error)) from error
    return _checked(found, name) if found is not None else {}


def _checked(found: Any, name: str) -> dict[str, Any]:
    try:
        state = msgspec.convert(found, _StoredState)
    except msgspec.ValidationError as error:
        raise UnusableStateError(str(error)) from error
    saved = state.sources.get(SCHEMA_NAME, {})
    if state.name != name or not is_sound(saved, utc_now()):
        raise UnusableStateError(name)
    return dict(saved)


def _readable(project: str, profile: Profile, location: Location, pipelines_dir: str | None) -> dlt.Pipeline:
    """The pipeline with its working folder, or with an empty one if that cannot be read."""
    try:
        pipeline = make_pipeline(project, profile, location, pipelines_dir)
        for name in pipeline.schema_names:
            pipeline.schemas[name]
        digest(saved_state(pipeline))
    except (DestinationException, ConfigurationException, WeaveEvalError):
        raise
    except Exception:  # noqa: BLE001 - decoders raise anything when given garbage
        _remove(pipelines_folder(location, pipelines_dir) / pipeline_name(project))
        return make_pipeline(project, profile, location, pipelines_dir)
    return pipeline


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path} is damaged and cannot be removed ({error.strerror}). Remove it.") from None


def _is_in_line(pipeline: dlt.Pipeline, stored: dict[str, Any]) -> bool:
    """Whether the working folder is where the warehouse is, or has a package that starts from there."""
    local = digest(saved_state(pipeline))
    if not pipeline.has_pending_data:
        return local == digest(stored)
    return _is_ours(pipeline) and digest(stored) in (local, based_on(pipeline))


def _is_ours(pipeline: dlt.Pipeline) -> bool:
    """Whether the packages that an earlier load left are whole as far as that shows, and of our schema as it is saved.

    dlt saves a schema after the package that changed it, and normalizes by the saved one, whatever a package has.
    """
    try:
        extracted = [pipeline.get_load_package_info(name) for name in pipeline.list_extracted_load_packages()]
        normalized = [pipeline.get_load_package_info(name) for name in pipeline.list_normalized_load_packages()]
        _require_whole([*extracted, *normalized])
        saved = {pipeline.schemas[name].stored_version_hash for name in pipeline.schema_names}
    except Exception:  # noqa: BLE001 - decoders raise anything when given garbage
        return False
    if saved and any(package.schema_hash not in saved for package in extracted):
        return False
    return all(package.schema_name == SCHEMA_NAME for package in [*extracted, *normalized])


def _require_whole(packages: Iterable[LoadPackageInfo]) -> None:
    """Raises what pyarrow raises for a file of the packages that is cut or lost."""
    for package in packages:
        for job in chain.from_iterable(package.jobs.values()):
            if job.file_path.endswith(".parquet"):
                pq.read_metadata(job.file_path)


def _restart(pipeline: dlt.Pipeline) -> bool:
    """Empties the working folder and fills it with what the warehouse has; False if dlt cannot go on from that."""
    pipeline.drop()
    try:
        pipeline.sync_destination()
    except PipelineStepFailed as error:
        if any(isinstance(cause, (DestinationException, ConfigurationException)) for cause in causes(error)):
            raise
        pipeline.drop()
        return False
    return True


def finish_packages(pipeline: dlt.Pipeline, profile: Profile) -> LoadInfo | None:
    """Loads what an earlier load left behind. What cannot be loaded, or lacks its state, goes: it is read again.

    Raises what dlt raises where another attempt may load it, or the disk is full.
    """
    info = None
    try:
        info = run_pipeline(pipeline)
    except PipelineStepFailed as error:
        if any(_may_pass(cause) for cause in causes(error)):
            raise
    if info is None or not _is_confirmed(pipeline, profile):
        _restart(pipeline)
        pipeline._state_restored = True  # noqa: SLF001 - dlt would ask the warehouse once more
    return info


def is_still_ours(pipeline: dlt.Pipeline, profile: Profile) -> bool:
    """Whether the warehouse has the state that the pipeline left there last; also while a package is read."""
    ours = (digest(saved_state(pipeline)), based_on(pipeline))
    with job_client(profile) as client, suppress(UnusableStateError):
        return digest(stored_state(client, pipeline.pipeline_name)) in ours
    return False


def _is_confirmed(pipeline: dlt.Pipeline, profile: Profile) -> bool:
    """Whether the warehouse has the state that the working folder has."""
    with job_client(profile) as client, suppress(UnusableStateError):
        return _is_in_line(pipeline, stored_state(client, pipeline.pipeline_name))
    return False


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, (DestinationTransientException, ConfigurationException)) or is_out_of_room(error)


def _lost_warning(profile: Profile, lost: Lost) -> str:
    return (
        f"The dataset {profile.dataset} lacked {lost_text(lost)}, which it once had: every run is read again, those of "
        "the dataset's other projects with their next load."
    )
