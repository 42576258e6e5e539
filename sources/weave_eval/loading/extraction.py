"""A project's rows, read from Weave package by package and yielded as items that dlt loads."""

from __future__ import annotations

import shutil
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..api.credentials import web_base_url
from ..errors import ApiError
from ..reading.garbage_collection import rare_garbage_collection
from ..reading.page_size import PageSize
from ..reading.predictions import is_v2_run
from ..reading.related import RelatedData
from ..reading.results import ResultsReader, Wants
from ..reading.run_collector import RunRead, RunUnread
from ..rows.flatten import RunReading, marked_deleted
from ..rows.privacy import Privacy
from ..state.decisions import PlannedRun
from ..state.doubts import remember_server
from ..state.unproven import ReadRun
from ..tables import RESULT_TABLES
from ..times import utc_now
from ..weave.refs import call_url
from ..weave.runs import Run
from .context import LoadContext
from .deletions import require_likely
from .inputs import NewInputs
from .outcome import Progress, Report
from .package_files import Package, TableItem
from .planning import Plan, make_plan
from .saved_state import ProjectProgress, SavedState, save_unproven, start_over_if_unsound
from .writer import RunWriter


def _unseen(done: int, total: int) -> None:
    """No progress is shown."""


_MOST_UNREAD = 10
"""Runs that may fail, and more of them than are read, before it is all of Weave that fails."""


class SpoiledPackageError(Exception):
    """A run could not be read to its end, and rows of it are in the package: without that run, it is read again."""


class Extraction:
    """Reads the runs of a plan, in one or more packages, and reports what it did."""

    def __init__(
        self,
        context: LoadContext,
        *,
        report: Report | None = None,
        package_runs: int | None = None,
        is_proven_later: bool = False,
        progress: Progress | None = None,
    ):
        """Prepares the extraction; nothing is asked for yet.

        Unless there is a plan to `follow`, one is made with the first package, from the state that is saved then.
        `package_runs` bounds a package; without it, everything goes into one. `is_proven_later` has the saved state
        name the runs that are not proven yet. `progress` is called with the runs read and to read.
        """
        self.report = report or Report()
        self._context = context
        self._settings = context.settings
        self._plan: Plan | None = None
        self._package_runs = package_runs
        self._is_proven_later = is_proven_later
        self._show_progress = progress or _unseen
        self._privacy = Privacy(context.settings.privacy or (), context.settings.privacy_key)
        self._inputs = NewInputs(context.stored)
        self._waiting: deque[PlannedRun] = deque()
        self._gone: Sequence[str] = ()
        self._vanished: list[str] = []
        self._unread: list[PlannedRun] = []
        self._state = ProjectProgress(context)
        self._has_related = False
        self._folder: Path | None = None

    @property
    def has_more(self) -> bool:
        """Whether something is left for another package (also before the first)."""
        return self._plan is None or bool(self._waiting or self._gone)

    def follow(self, plan: Plan) -> None:
        """Reads the runs of a plan, with the packages to come."""
        self._plan = plan
        self._waiting = deque(plan.runs)
        self._gone = plan.gone
        self._state = ProjectProgress(self._context, plan.state)
        self.report.runs_listed = plan.runs_listed
        self.report.runs_open = plan.runs_open
        self.report.runs_unchanged = plan.runs_unchanged
        self.report.warnings += plan.warnings

    def add_runs(self, runs: Iterable[PlannedRun]) -> None:
        """Reads more runs, or the same once more, with the packages to come."""
        self._waiting += runs

    def items(self, saved: SavedState, package: Package) -> Iterator[TableItem]:
        """The items of the next package; updates the saved state of the source at the end.

        Raises `SpoiledPackageError` if they have to be asked for again.
        """
        start_over_if_unsound(saved)
        if self._plan is None:
            self.follow(make_plan(self._context, saved))
        read: list[PlannedRun] = []
        writer = RunWriter(self._context.project, package, self._fresh_folder(package), self._privacy)
        earlier = self.report.copied()
        try:
            yield from self._write_gone(writer)
            yield from self._read_results(read, writer)
        except SpoiledPackageError:
            self._start_again(read, earlier)
            raise
        self._require_likely()
        if not self._has_related:
            yield from self._read_related(read, writer, saved.setdefault("companions", {}))
        yield from writer.flush()
        self.report.rows.update(writer.rows)
        self._state.save(saved, read, self._gone, self._unread, self._trials_of(read))
        remember_server(saved, self._context.project, self._context.client.base_url, is_read=bool(read))
        if self._is_proven_later:
            done = [self.report.read[planned.run.run_id] for planned in read]
            save_unproven(saved, self._context.project, done, self._gone)
        self._gone, self._vanished, self._unread = self._vanished, [], []

    def _trials_of(self, read: Iterable[PlannedRun]) -> dict[str, int | None]:
        """How many trials the calls API counts of each run: where they were counted beforehand, what it said then."""
        counts = {run.run.run_id: (run.trials, self.report.read[run.run.run_id].trial_calls) for run in read}
        return {run_id: now if before is None else before for run_id, (before, now) in counts.items()}

    def close(self) -> None:
        """Removes the files that were made for dlt, which has loaded or copied them by now."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start_again(self, read: Sequence[PlannedRun], earlier: Report) -> None:
        """Forgets a package that was spoiled; its runs are read with the next one."""
        self.report.restore(earlier)
        self._waiting.extendleft(reversed(read))
        self._inputs = NewInputs(self._context.stored)

    def _require_likely(self) -> None:
        """Raises `UnconfirmedError` if so many runs were gone when they were read that it is not to be believed."""
        for run_id in self._vanished:
            self.report.read.pop(run_id, None)
        require_likely(self._context, self._vanished, {*self._vanished, *self.report.read}, self.report.read)

    def _fresh_folder(self, package: Package) -> Path:
        """An empty folder for package files; dlt may want those of the last package until the next one starts."""
        self._folder = package.fresh_folder()
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def _next_runs(self, read: list[PlannedRun], writer: RunWriter) -> Iterator[PlannedRun]:
        """Hands out runs, and puts them into `read`, until they are enough, or large enough, for a package."""
        while self._waiting and not (self._package_runs and self._is_enough(read, writer)):
            read.append(self._waiting.popleft())
            yield read[-1]

    def _is_enough(self, read: Sequence[PlannedRun], writer: RunWriter) -> bool:
        return len(read) == self._package_runs or writer.bytes_written >= self._settings.package_bytes

    def _write_gone(self, writer: RunWriter) -> Iterator[TableItem]:
        """Marks the runs that are gone, or removes them where that is wanted."""
        if not self._gone:
            return
        self.report.runs_deleted += len(self._gone)
        if self._context.is_full or self._settings.deleted_runs == "remove":
            self.report.removed += self._gone
            for run_id in self._gone:
                yield from writer.remove(run_id)
        else:
            rows = [marked_deleted(row, utc_now()) for row in self._context.stored.run_rows(self._gone)]
            yield from writer.add_private("evaluation_runs", rows)

    def _read_related(self, read: Sequence[PlannedRun], writer: RunWriter, saved: SavedState) -> Iterator[TableItem]:
        """Feedback, and the objects that runs refer to if any run was read; once in an extraction."""
        project = self._context.project
        cursors = {} if self._context.is_full else dict(saved.get(project, {}))
        related = RelatedData(self._context.client, cursors, utc_now(), self._context.evaluate_ops)
        runs = [planned.run for planned in [*read, *self._waiting]]
        for table, rows in related.read(runs, writer.tables):
            yield from writer.add(table, rows)
        self._has_related = True
        self.report.warnings += related.warnings
        if cursors != saved.get(project, {}):
            saved[project] = cursors

    def _read_results(self, read: list[PlannedRun], writer: RunWriter) -> Iterator[TableItem]:
        total = self.report.runs_read + len(self._waiting)
        with rare_garbage_collection():
            reader = self._reader(writer)
            for part in reader.read(self._next_runs(read, writer)):
                if isinstance(part, RunRead):
                    yield from self._finish(part, writer)
                    try:
                        yield from self._read_predictions(part.planned.run, writer)
                    except ApiError as error:
                        reader.require_blame(error)
                        self._set_aside(RunUnread(part.planned, error), read, writer)
                    self._show_progress(self.report.runs_read, total)
                elif isinstance(part, RunUnread):
                    self._set_aside(part, read, writer)
                else:
                    planned, batch = part
                    self._inputs.keep_new(batch)
                    yield from writer.write(planned.run.run_id, batch)
        yield from writer.add("dataset_rows", self._inputs.take_unresolved())

    def _set_aside(self, part: RunUnread, read: list[PlannedRun], writer: RunWriter) -> None:
        """Leaves out a run that is gone, or that cannot be read; the next load reads it again."""
        run_id = part.planned.run.run_id
        read.remove(part.planned)
        if part.error is None:
            self._vanished.append(run_id)
        else:
            self._unread.append(part.planned)
            self.report.unread[run_id] = str(part.error)
            if len(self.report.unread) > max(_MOST_UNREAD, self.report.runs_read):
                raise part.error
        if run_id in writer.run_ids:
            raise SpoiledPackageError(
                f"{self._context.project}: the run {run_id} could not be read to its end. Run it again."
            )

    def _reader(self, writer: RunWriter) -> ResultsReader:
        """A reader of what the wanted tables need."""
        rows = bool(writer.tables.intersection(RESULT_TABLES))
        summary = "scorer_stats" in writer.tables or ("evaluation_runs" in writer.tables and not rows)
        wants = Wants(rows=rows, inputs="dataset_rows" in writer.tables, summary=summary)
        settings = self._settings
        size = PageSize(settings.page_rows, settings.max_page_bytes)
        return ResultsReader(self._context.client, wants, size, settings.parallelism, with_costs=settings.with_costs)

    def _finish(self, read: RunRead, writer: RunWriter) -> Iterator[TableItem]:
        """The rows that a run has once, and what its proof will need."""
        run = read.planned.run
        self.report.reasons[read.planned.reason] += 1
        self.report.warnings += [f"run {run.run_id}: {warning}" for warning in read.warnings]
        self.report.read[run.run_id] = ReadRun(
            read.planned, writer.load_id, read.facts, read.has_no_summary, read.trial_calls, run.is_open
        )
        reading = RunReading(
            status=read.planned.status,
            synced_at=utc_now(),
            url=call_url(web_base_url(self._context.client.base_url), self._context.project, run.run_id),
            results_load_id=writer.load_id if read.counts else None,
            counts=read.counts,
        )
        yield from writer.close(read, reading)

    def _read_predictions(self, run: Run, writer: RunWriter) -> Iterator[TableItem]:
        """The predictions of a run that was made through the v2 API, if they are wanted."""
        if "predictions" not in writer.tables or not is_v2_run(run):
            return
        related = RelatedData(self._context.client, {}, utc_now(), self._context.evaluate_ops)
        for table, rows in related.read_predictions(run):
            yield from writer.add(table, rows, run.run_id)
        yield from writer.clear(run.run_id, ("predictions",))
        self.report.warnings += related.warnings
