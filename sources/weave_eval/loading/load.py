"""One project into one destination: lock, pending packages, chunks, proof, record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigFieldMissingException, ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.pipeline import LoadInfo

from ..api.client import WeaveClient
from ..errors import DestinationError, SettingsError, WeaveEvalError
from ..reading.discovery import EVALUATE_OPS, list_runs
from ..settings import Settings
from ..state.decisions import PlannedRun
from ..state.unproven import ReadRun, recall
from ..times import parse_time, utc_now
from ..warehouse.completing import complete_tables
from ..warehouse.failures import busy_if_in_use, destination_errors
from ..warehouse.location import Location
from ..warehouse.locks import load_lock
from ..warehouse.profiles import Profile
from ..warehouse.project_lock import project_lock
from ..warehouse.stored import resolved_inputs, run_rows, stored_run_ids
from ..weave.run_filter import RunFilter
from .extraction import Extraction, Progress, Report, connect
from .pipelines import lock_path, make_source, run_pipeline, saved_state
from .proving import Proof, proof_rows, prove
from .records import Record, write_records
from .resuming import Resumed, expected_state, finish_packages, resume
from .sync_record import SyncRecord

SECTIONS = ("sources", "weave_eval")
"""Where dlt looks up the settings of the source."""

_SETTLED_TOGETHER = 1000


@dataclass
class LoadResult:
    """What a load did. Times in seconds, `requests` and the like count HTTP requests.

    `unreconciled` are the runs that have ended and do not agree with what Weave says of them, also read twice.
    """

    project: str
    destination: str
    dataset: str
    report: Report
    traffic: dict[str, int]
    load_ids: list[str] = field(default_factory=list)
    unreconciled: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """`loaded`, `unchanged` if there was nothing to load, or `unreconciled`."""
        if self.unreconciled:
            return "unreconciled"
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
            "runs_deleted": report.runs_deleted,
            "reasons": dict(report.reasons),
            "rows": dict(report.rows),
            "warnings": report.warnings,
            "unreconciled": self.unreconciled,
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


def configured_projects() -> list[str]:
    """The projects that `projects` names in the configuration of the source, if it does."""
    found: Any = dlt.config.get("sources.weave_eval.projects")
    if isinstance(found, str):
        found = [name.strip() for name in found.strip("[] ").split(",")]
    return [str(name).strip("'\" ") for name in found or ()]


def load_project(settings: Settings, profile: Profile, options: LoadOptions = _DEFAULTS) -> LoadResult:
    """Loads what is new or changed in a project, proves it, and leaves a record.

    Raises `SettingsError`, `ApiError`, `DestinationError` or `BusyError`; whatever was loaded before the error stays
    loaded, and the next load goes on from there.
    """
    with locked(settings, profile, options) as (location, client):
        resumed = resume(settings.project, profile, location, options.pipelines_dir)
        extraction = Extraction(
            settings,
            client=client,
            progress=options.progress,
            chunk_runs=settings.package_runs,
            stored_ids=stored_run_ids(profile, settings.project) if options.is_full else None,
            stored_runs=partial(run_rows, profile),
            stored_inputs=partial(resolved_inputs, profile, settings.project),
        )
        command = "full load" if extraction.is_full else "range load" if extraction.is_range else "load"
        return Execution(settings, profile, resumed, extraction, command).run()


@contextmanager
def locked(settings: Settings, profile: Profile, options: LoadOptions) -> Iterator[tuple[Location, WeaveClient]]:
    """Where the profile leads and a client, while no other load of the same project runs."""
    with connect(settings) as client:
        with destination_errors(profile):
            location = profile.location()
        purpose = f"loading {settings.project}"
        with (
            load_lock(lock_path(location, settings.project), purpose, options.wait_seconds),
            busy_if_in_use(profile),
            destination_errors(profile),
            project_lock(profile, settings.project, options.wait_seconds),
        ):
            yield location, client


class Execution:
    """One execution of a command that loads: chunks, proof, and the record it leaves."""

    def __init__(self, settings: Settings, profile: Profile, resumed: Resumed, extraction: Extraction, command: str):
        self._settings = settings
        self._profile = profile
        self._pipeline = resumed.pipeline
        self._extraction = extraction
        self._record = SyncRecord(utc_now(), command, profile.name)
        self._load_ids: list[str] = []
        self._proofs: list[Proof] = []
        self._settled: set[str] = set()
        self._is_complete = False
        extraction.is_proven_later = True
        extraction.report.warnings += resumed.warnings

    def run(self) -> LoadResult:
        """Loads and proves; an error is recorded, where that can be done, and raised."""
        began = time.monotonic()
        try:
            with self._timed("load"), destination_errors(self._profile):
                self._load()
            with self._timed("prove"):
                failed = self._prove_or_repeat()
        except WeaveEvalError as error:
            with suppress(WeaveEvalError):
                self._record_failure(error)
            raise
        finally:
            self._extraction.close()
        result = self._result(failed)
        self._record_result(result)
        result.seconds = time.monotonic() - began
        return result

    def _load(self) -> None:
        """Finishes what an earlier load left behind, then loads chunk after chunk."""
        if self._pipeline.has_pending_data:
            self._note(finish_packages(self._pipeline, self._profile))
        while self._extraction.has_more:
            source = make_source(self._extraction, self._profile.warehouse.merge_scope)
            self._note(run_pipeline(self._pipeline, source))
            if len(self._unsettled()) >= _SETTLED_TOGETHER:
                self._settle()

    def _unsettled(self) -> dict[str, ReadRun]:
        """The runs that were read, by this load or by one that was killed, and whose proof is not written yet."""
        recalled = recall(saved_state(self._pipeline), self._settings.project, self._extraction.read)
        return {
            run_id: run for run_id, run in (recalled | self._extraction.read).items() if run_id not in self._settled
        }

    def _settle(self) -> None:
        """Writes the proofs of a long load while it goes on; what fails is left for its end."""
        proofs = [proof for proof in prove(self._profile, self._unsettled()) if not proof.is_failed]
        proven = [proof.landed.run_id for proof in proofs]
        records = proof_rows(proofs, utc_now())
        write_records(self._pipeline, self._settings.project, records, None, proven=proven)
        self._settled.update(proven)

    def _note(self, info: LoadInfo | None) -> None:
        """Remembers what was loaded; the tables are completed once the first chunk has made them."""
        loaded = list(info.loads_ids) if info else []
        if loaded and not self._load_ids:
            self._extraction.report.warnings += self._complete_tables()
        self._load_ids += loaded

    def _complete_tables(self) -> list[str]:
        """Completes the tables: once, if that makes all of them, as it does where there are views that read them."""
        if self._is_complete:
            return []
        warnings = complete_tables(self._pipeline, self._profile)
        self._is_complete = self._profile.makes_views and not warnings
        return warnings

    def _prove_or_repeat(self) -> list[str]:
        """Runs that have ended and do not reconcile, also after they were read a second time."""
        proofs = prove(self._profile, self._unsettled())
        failed = [proof for proof in proofs if proof.is_failed]
        if failed:
            self._extraction.take(self._runs_to_repeat(failed))
            with destination_errors(self._profile):
                self._load()
            proofs = prove(self._profile, self._unsettled())
        self._proofs = proofs
        return [proof.landed.run_id for proof in proofs if proof.is_failed]

    def _runs_to_repeat(self, proofs: list[Proof]) -> list[PlannedRun]:
        """What to read again, also of runs that an earlier load read, as far as Weave still has them."""
        earlier = tuple(proof.landed.run_id for proof in proofs if proof.read.planned is None)
        ops = self._settings.evaluate_ops or EVALUATE_OPS
        runs = list_runs(self._extraction.client, RunFilter(run_ids=earlier), earlier, ops) if earlier else []
        return [
            *(proof.read.planned for proof in proofs if proof.read.planned),
            *(PlannedRun(run, "changed", run.fingerprint) for run in runs),
        ]

    def _result(self, unreconciled: list[str]) -> LoadResult:
        return LoadResult(
            project=self._settings.project,
            destination=self._profile.name,
            dataset=self._profile.dataset,
            report=self._extraction.report,
            traffic=self._extraction.client.traffic.as_dict(),
            load_ids=self._load_ids,
            unreconciled=unreconciled,
        )

    def _record_result(self, result: LoadResult) -> None:
        """Leaves the proofs and a row in `syncs`; of an execution that found nothing new, only now and then."""
        if result.load_ids or self._proofs or self._is_heartbeat_due():
            self._write(result.status, proofs=self._proofs)

    def _is_heartbeat_due(self) -> bool:
        last = saved_state(self._pipeline).get("heartbeats", {}).get(self._settings.project)
        hours = timedelta(hours=self._settings.heartbeat_hours)
        try:
            return not last or not timedelta(0) <= utc_now() - parse_time(last) < hours
        except ValueError:
            return True

    def _record_failure(self, error: WeaveEvalError) -> None:
        """Leaves a row in `syncs`, and the proofs of what was loaded before the error."""
        if not isinstance(error, DestinationError) and not self._pipeline.has_pending_data:
            proofs = prove(self._profile, self._unsettled()) if self._load_ids else []
            self._write("failed", proofs=proofs, error=str(error))

    def _write(self, status: str, *, proofs: list[Proof], error: str | None = None) -> None:
        now = utc_now()
        report, traffic = self._extraction.report, self._extraction.client.traffic.as_dict()
        sync = Record("syncs", [self._record.row(status, now, report, traffic, error)])
        with destination_errors(self._profile):
            records, removed = [*proof_rows(proofs, now), sync], self._extraction.removed
            heartbeat = None if status == "failed" else now
            proven = [proof.landed.run_id for proof in proofs]
            project = self._settings.project
            write_records(self._pipeline, project, records, heartbeat, proven=proven, removed=removed)
            self._complete_tables()

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._record.seconds[step] = time.monotonic() - began


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
    with connect(settings) as client:
        stored = stored_run_ids(profile, settings.project) if options.is_full else None
        extraction = Extraction(settings, client=client, stored_ids=stored)
        with destination_errors(profile):
            saved = expected_state(settings.project, profile).get("projects", {})
        planned_runs = extraction.plan(saved.get(extraction.state_key))
    reasons: Counter[str] = Counter(planned.reason for planned in planned_runs)
    return Plan(settings.project, extraction.report.runs_listed, dict(reasons))
