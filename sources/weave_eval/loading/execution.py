"""One execution of a command that loads: what an earlier one left behind, package after package, proof, and record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

from dlt.common.pipeline import LoadInfo
from dlt.pipeline.exceptions import PipelineStepFailed

from ..errors import DestinationError, WeaveEvalError, causes
from ..reading.discovery import list_runs
from ..rows.columns import TableRow
from ..state.decisions import PlannedRun
from ..state.unproven import ReadRun, recall
from ..times import parse_time, utc_now
from ..warehouse.completing import complete_tables, completion
from ..warehouse.failures import destination_errors
from ..warehouse.locks import ProjectLock
from ..warehouse.profiles import Profile
from ..weave.run_filter import RunFilter
from .context import LoadContext
from .extraction import Extraction, SpoiledPackageError
from .outcome import LoadResult, Progress, Report
from .package_files import Package, TableItem
from .pipelines import run_pipeline, saved_state
from .planning import Plan
from .proving import Proof, proof_records, prove
from .records import LoadRecords, Record, SyncRecord, write_records
from .resources import evaluation_resources, source_of
from .resuming import Resumed, finish_packages, is_still_ours
from .saved_state import SavedState
from .unrecorded import keep_unrecorded, unrecorded

_PROVEN_TOGETHER = 1000
"""Unproven runs at which a long load writes proofs before its end."""


class Execution:
    """Carries out a load of one project and leaves a record of it, also of one that fails."""

    def __init__(
        self,
        context: LoadContext,
        profile: Profile,
        resumed: Resumed,
        command: str,
        *,
        lock: ProjectLock,
        progress: Progress | None = None,
    ):
        """Prepares the execution of `command` under a lock."""
        self._context = context
        self._settings = context.settings
        self._profile = profile
        self._pipeline = resumed.pipeline
        self._lock = lock
        self._record = SyncRecord(utc_now(), command, profile.name)
        self._report = Report(warnings=[*resumed.warnings])
        self._extraction = Extraction(
            context,
            report=self._report,
            package_runs=context.settings.package_runs,
            is_proven_later=True,
            progress=progress,
        )
        self._load_ids: list[str] = []
        self._proven: set[str] = set()
        self._is_complete = False
        self._incomplete: list[str] | None = None

    def run(self, plan: Plan | None = None) -> LoadResult:
        """Loads and proves; an error is recorded and raised. Without a `plan`, the project is listed first."""
        began = time.monotonic()
        if plan:
            self._extraction.follow(plan)
        try:
            with self._timed("load"), destination_errors(self._profile):
                self._load()
            self._report.warnings += self._context.client.clock.warnings()
            with self._timed("prove"):
                proofs = self._prove_or_repeat()
        except WeaveEvalError as error:
            self.record_failure(error)
            raise
        finally:
            self._extraction.close()
        result = self._result(proofs)
        is_due = self._is_heartbeat_due() or not self._was_completed() or unrecorded(self._pipeline)
        if result.load_ids or proofs or result.error or is_due:
            self._write_record(result.status, proofs, error=result.error)
        result.seconds = time.monotonic() - began
        return result

    def _load(self) -> None:
        """Finishes what an earlier load left behind, then loads package after package."""
        if self._pipeline.has_pending_data:
            self._loaded(finish_packages(self._pipeline, self._profile))
        while self._extraction.has_more:
            try:
                self._loaded(self._load_package())
            except PipelineStepFailed as error:
                if not any(isinstance(cause, SpoiledPackageError) for cause in causes(error)):
                    raise
            if len(self._unproven()) >= _PROVEN_TOGETHER:
                self._write_early_proofs()

    def _load_package(self) -> LoadInfo | None:
        with_predictions, scope = self._settings.with_predictions, self._profile.warehouse.merge_scope
        resources = evaluation_resources(self._read, with_predictions=with_predictions, scope=scope)
        return run_pipeline(self._pipeline, source_of(resources))

    def _read(self, saved: SavedState, package: Package) -> Iterator[TableItem]:
        """Reads the next package."""
        yield from self._extraction.items(saved, package)
        self._require_lock()

    def _require_lock(self) -> None:
        """Raises `DestinationError` if the lock was lost and another load may have been at work."""
        if self._lock.renew() and not is_still_ours(self._pipeline, self._profile):
            raise DestinationError(
                f"The connection that held the lock of {self._context.project} was cut, and another load has changed "
                "the tables meanwhile. What was loaded before stays, and the next load goes on from there."
            )

    def _loaded(self, info: LoadInfo | None) -> None:
        """Counts packages that were loaded; the tables are completed once the first one has made them."""
        load_ids = list(info.loads_ids) if info else []
        if load_ids and not self._load_ids:
            self._complete_tables()
        self._load_ids += load_ids

    def _complete_tables(self) -> None:
        """Completes the tables: once, if that makes all of them, as it does where there are views that read them."""
        if not self._is_complete:
            self._incomplete = complete_tables(self._pipeline, self._profile)
            self._is_complete = self._profile.makes_views and not self._incomplete

    def _was_completed(self) -> bool:
        """Whether an earlier load has completed the tables as this one would."""
        completed = saved_state(self._pipeline).get("completed", {}).get(self._context.project)
        return bool(completed == completion(self._profile))

    def _unproven(self) -> dict[str, ReadRun]:
        """The runs that were read, by this load or by one that was killed, and whose proof is not written yet."""
        read = self._report.read
        recalled = recall(saved_state(self._pipeline), self._context.project, read)
        return {run_id: run for run_id, run in (recalled | read).items() if run_id not in self._proven}

    def _write_early_proofs(self) -> None:
        """Writes the proofs of a long load while it goes on; runs that fail theirs are left for its end."""
        proofs = [proof for proof in self._prove() if not proof.is_failed]
        proven = _run_ids(proofs)
        written = LoadRecords(self._context.project, proof_records(proofs, utc_now()), proven)
        self._require_lock()
        write_records(self._pipeline, written)
        self._proven.update(proven)

    def _prove(self) -> list[Proof]:
        """The proofs of all runs that are not proven yet."""
        return prove(self._profile, self._context.project, self._unproven())

    def _prove_or_repeat(self) -> list[Proof]:
        """The proofs of all runs; those that have ended and fail theirs are read a second time first.

        Those that lack trials also then are rebuilt from their calls.
        """
        proofs = self._prove()
        failed = [proof for proof in proofs if proof.is_failed]
        if failed:
            proofs = self._read_again(self._runs_to_repeat(failed))
        lacking = [proof.read.planned for proof in proofs if proof.lacks_trials and proof.read.planned]
        if lacking:
            proofs = self._read_again([replace(planned, is_from_calls=True) for planned in lacking])
        return proofs

    def _read_again(self, runs: Sequence[PlannedRun]) -> list[Proof]:
        """Reads and loads runs once more; the proofs of all runs then."""
        self._extraction.add_runs(runs)
        with destination_errors(self._profile):
            self._load()
        return self._prove()

    def _runs_to_repeat(self, proofs: Sequence[Proof]) -> list[PlannedRun]:
        """What to read again, also of runs that an earlier load read, as far as Weave still has them."""
        earlier = tuple(proof.landed.run_id for proof in proofs if proof.read.planned is None)
        client, ops = self._context.client, self._context.evaluate_ops
        runs = list_runs(client, RunFilter(run_ids=earlier), earlier, ops) if earlier else []
        return [
            *(proof.read.planned for proof in proofs if proof.read.planned),
            *(PlannedRun(run, "changed", run.fingerprint) for run in runs),
        ]

    def _result(self, proofs: Sequence[Proof]) -> LoadResult:
        return LoadResult(
            project=self._context.project,
            destination=self._profile.name,
            dataset=self._profile.dataset,
            report=self._report,
            traffic=self._context.client.traffic.as_dict(),
            load_ids=self._load_ids,
            unreconciled=[proof.landed.run_id for proof in proofs if proof.is_failed],
        )

    def _is_heartbeat_due(self) -> bool:
        """Whether a load that found nothing new leaves a record all the same."""
        last = saved_state(self._pipeline).get("heartbeats", {}).get(self._context.project)
        hours = timedelta(hours=self._settings.heartbeat_hours)
        try:
            return not last or not timedelta(0) <= utc_now() - parse_time(last) < hours
        except ValueError:
            return True

    def record_failure(self, error: WeaveEvalError) -> None:
        """Leaves a row in `syncs`, and the proofs of what was loaded before the error.

        Where nothing can be written, the next execution writes the row.
        """
        if not isinstance(error, DestinationError) and not self._pipeline.has_pending_data:
            with suppress(WeaveEvalError):
                self._write_record("failed", self._prove() if self._load_ids else [], error=str(error))
                return
        keep_unrecorded(self._pipeline, [*unrecorded(self._pipeline), self._sync("failed", str(error))])

    def _sync(self, status: str, error: str | None) -> TableRow:
        """The execution's row in `syncs`."""
        return self._record.ended(status, utc_now(), self._report, self._context.client.traffic.as_dict(), error)

    def _write_record(self, status: str, proofs: Sequence[Proof], *, error: str | None = None) -> None:
        """Leaves the proofs and a row in `syncs`; what is lacking beside the tables is tried again, and told."""
        if self._load_ids or saved_state(self._pipeline):
            self._complete_tables()
        self._report.warnings += self._incomplete or ()
        now = utc_now()
        syncs = Record("syncs", [*unrecorded(self._pipeline), self._sync(status, error)])
        written = LoadRecords(
            project=self._context.project,
            records=[*proof_records(proofs, now), syncs],
            proven=_run_ids(proofs),
            removed=self._report.removed,
            heartbeat=None if status == "failed" else now,
            completed=completion(self._profile) if self._incomplete == [] else None,
        )
        with destination_errors(self._profile):
            self._require_lock()
            write_records(self._pipeline, written)
            keep_unrecorded(self._pipeline, [])
            self._complete_tables()

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._record.seconds[step] = time.monotonic() - began


def _run_ids(proofs: Sequence[Proof]) -> list[str]:
    return [proof.landed.run_id for proof in proofs]
