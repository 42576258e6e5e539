"""One project into one destination: pipeline, lock, pending packages, chunks."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigFieldMissingException, ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.pipeline import LoadInfo, get_dlt_pipelines_dir
from dlt.extract.source import DltSource

from .destinations import Location, Profile
from .errors import SettingsError
from .extraction import Extraction, Progress, Report, connect
from .failures import destination_errors
from .locks import load_lock
from .schema import CONTRACT, dlt_schema
from .settings import Settings
from .source import evaluation_resources
from .warehouse.stored import stored_run_ids

SECTIONS = ("sources", "weave_eval")
"""Where dlt looks up the settings of the source."""


@dataclass
class LoadResult:
    """What a load did. Times in seconds, `requests` and the like count HTTP requests."""

    project: str
    destination: str
    dataset: str
    report: Report
    traffic: dict[str, int]
    load_ids: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """`loaded`, or `unchanged` if there was nothing to load."""
        return "loaded" if self.load_ids else "unchanged"

    @property
    def rows(self) -> int:
        """Rows loaded, over all tables."""
        return sum(self.report.rows.values())

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        report = self.report
        return {
            "project": self.project,
            "status": self.status,
            "destination": self.destination,
            "dataset": self.dataset,
            "runs_listed": report.runs_listed,
            "runs_read": report.runs_read,
            "runs_unchanged": report.runs_unchanged,
            "runs_open": report.runs_open,
            "reasons": dict(report.reasons),
            "rows": dict(report.rows),
            "warnings": report.warnings,
            **self.traffic,
            "load_ids": self.load_ids,
            "seconds": round(self.seconds, 3),
        }


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


_DEFAULTS = LoadOptions()


def resolve_settings(**given: Any) -> Settings:
    """The settings of the source, as dlt finds them, with those given on top. Raises `SettingsError`."""
    explicit = {name: value for name, value in given.items() if value not in (None, [], ())}
    try:
        return resolve_configuration(Settings(), sections=SECTIONS, explicit_value=explicit)
    except ConfigFieldMissingException:
        raise SettingsError(
            "No project was named. Use --project ENTITY/PROJECT, or set SOURCES__WEAVE_EVAL__PROJECT."
        ) from None
    except ConfigurationException as error:
        raise SettingsError(f"The settings cannot be used: {error}") from None


def load_project(settings: Settings, profile: Profile, options: LoadOptions = _DEFAULTS) -> LoadResult:
    """Loads what is new or changed in a project.

    Raises `SettingsError`, `ApiError`, `DestinationError` or `BusyError`; whatever was loaded before the error stays
    loaded, and the next load goes on from there.
    """
    began = time.monotonic()
    client = connect(settings)
    with destination_errors(profile):
        location = profile.location()
    lock = lock_path(location, settings.project)
    with load_lock(lock, f"loading {settings.project}", options.wait_seconds), destination_errors(profile):
        pipeline = make_pipeline(settings.project, profile, location, options.pipelines_dir)
        extraction = Extraction(
            settings,
            client=client,
            progress=options.progress,
            chunk_runs=settings.package_runs,
            stored=stored_run_ids(profile, settings.project) if options.is_full else None,
        )
        load_ids = list(_load(pipeline, extraction))
    client.close()
    return LoadResult(
        project=settings.project,
        destination=profile.name,
        dataset=profile.dataset,
        report=extraction.report,
        traffic=client.traffic.as_dict(),
        load_ids=load_ids,
        seconds=time.monotonic() - began,
    )


@dataclass(frozen=True)
class Plan:
    """What a load would read. `reasons` counts the runs by why they would be read."""

    project: str
    runs_listed: int
    reasons: dict[str, int]

    @property
    def runs_to_read(self) -> int:
        """Runs that would be read."""
        return sum(self.reasons.values())

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "project": self.project,
            "status": "planned",
            "runs_listed": self.runs_listed,
            "runs_to_read": self.runs_to_read,
            "reasons": self.reasons,
        }


def plan_project(settings: Settings, profile: Profile, options: LoadOptions = _DEFAULTS) -> Plan:
    """What `load_project` would read now; reads and writes no table."""
    client = connect(settings)
    stored = stored_run_ids(profile, settings.project) if options.is_full else None
    extraction = Extraction(settings, client=client, stored=stored)
    with destination_errors(profile):
        pipeline = make_pipeline(settings.project, profile, profile.location(), options.pipelines_dir)
        pipeline.sync_destination()
    saved = pipeline.state.get("sources", {}).get("weave_eval", {}).get("projects", {})
    decisions = extraction.plan(saved.get(extraction.state_key))
    client.close()
    reasons: Counter[str] = Counter(decision.reason for decision in decisions)
    return Plan(settings.project, extraction.report.runs_listed, dict(reasons))


def _load(pipeline: dlt.Pipeline, extraction: Extraction) -> Iterator[str]:
    """Finishes what an earlier load left behind, then loads chunk after chunk; yields load ids."""
    if pipeline.has_pending_data:
        yield from _load_ids(pipeline.run())
    while extraction.has_more:
        yield from _load_ids(pipeline.run(make_source(extraction)))


def _load_ids(info: LoadInfo | None) -> list[str]:
    return list(info.loads_ids) if info else []


def make_source(extraction: Extraction) -> DltSource:
    """A dlt source that reads the next chunk of `extraction`."""
    source = DltSource.from_data(dlt_schema(), "weave_eval", evaluation_resources(extraction))
    source.schema_contract = CONTRACT
    source.max_table_nesting = 0
    return source


def make_pipeline(project: str, profile: Profile, location: Location, pipelines_dir: str | None = None) -> dlt.Pipeline:
    """The project's pipeline: its own name, state and staging dataset, so that projects load side by side.

    Its working folder belongs to one place: what was loaded elsewhere must not count here.
    """
    slug = project_slug(project)
    folder = Path(pipelines_dir or get_dlt_pipelines_dir()) / f"weave_eval_{location.type}_{location.mark}"
    return dlt.pipeline(
        pipeline_name=f"weave_eval_{slug}",
        destination=profile.destination(staging_layout=f"%s_staging_{slug}"),
        dataset_name=profile.dataset,
        pipelines_dir=str(folder),
    )


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
