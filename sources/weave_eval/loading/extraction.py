"""One project's extraction: what to read, reading it, and the rows for each table.

An `Extraction` lists the project once, decides, and hands out the runs in chunks, so that a large backfill commits
its progress; what it yields are the items that dlt loads.
"""

from __future__ import annotations

import hashlib
import shutil
import weakref
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ..api.client import WeaveClient
from ..api.credentials import api_key, trace_base_url, web_base_url
from ..api.limiter import RateLimiter
from ..errors import TerminalApiError
from ..reading.discovery import EVALUATE_OPS, list_runs, list_v2_run_ids, read_v2_run, run_exists
from ..reading.garbage_collection import rare_garbage_collection
from ..reading.page_size import PageSize
from ..reading.predictions import is_v2_run
from ..reading.related import RelatedData
from ..reading.results import ResultsReader, Wants
from ..reading.run_collector import RunRead
from ..reading.trial_calls import growth_marks, read_trial_calls
from ..rows.flatten import RunBatch, RunReading, Tuples, marked_deleted
from ..rows.privacy import Privacy
from ..settings import Settings
from ..state.decisions import (
    PlannedRun,
    ProjectState,
    advance,
    decide,
    dump_state,
    forget_runs,
    listing_start,
    load_state,
)
from ..state.soundness import is_sound
from ..state.unproven import ReadRun, forget, remember
from ..tables import RESULT_TABLES
from ..times import utc_now
from ..weave.refs import call_url
from ..weave.run_filter import RunFilter
from ..weave.runs import Run
from .package_files import Package, TableItem
from .writer import RunWriter

_REMEMBERED_INPUTS = 200_000


@dataclass
class Report:
    """What an extraction did. `rows` counts by table, `reasons` the runs read by why they were."""

    runs_listed: int = 0
    runs_unchanged: int = 0
    runs_open: int = 0
    runs_deleted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    @property
    def runs_read(self) -> int:
        """Runs that were read."""
        return sum(self.reasons.values())


Progress = Callable[[int, int], None]
"""Called after each run with the number of runs read and of runs to read."""

StoredRuns = Callable[[Collection[str]], Tuples]
"""Gives the rows that a warehouse holds of runs, in the order of `VARYING["evaluation_runs"]`."""


StoredInputs = Callable[[Collection[str]], set[str]]
"""Gives those of the digests whose inputs a warehouse holds."""


def _unseen(done: int, total: int) -> None:
    """No progress is shown."""


def connect(settings: Settings) -> WeaveClient:
    """A client for the project, with the key and base URL found where W&B's tools find them."""
    return WeaveClient(
        trace_base_url(settings.base_url),
        api_key(settings.api_key),
        settings.project,
        limiter=RateLimiter(settings.requests_per_second),
        parallelism=settings.parallelism,
        patience=settings.patience(),
    )


class Extraction:
    """The extraction of one project, in one or more chunks."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: WeaveClient | None = None,
        clock: Callable[[], datetime] = utc_now,
        progress: Progress | None = None,
        chunk_runs: int | None = None,
        stored_ids: Collection[str] | None = None,
        stored_runs: StoredRuns | None = None,
        stored_inputs: StoredInputs | None = None,
    ):
        """Prepares the extraction; nothing is asked for yet.

        `progress` is told the runs read and to read; `chunk_runs` bounds a chunk. `stored_ids` are the runs that the
        warehouse holds: with it, every run is read again, and those that Weave no longer has are removed.
        `stored_runs` gives the rows of deleted runs, which are then marked instead of left; `stored_inputs` tells the
        inputs that the warehouse holds already, which then are not replaced by mere refs. Whoever proves what was
        loaded sets `is_proven_later`: the saved state then names the runs that are not proven yet.
        """
        self.report = Report()
        self.client = client or connect(settings)
        self.read: dict[str, ReadRun] = {}
        self.removed: list[str] = []
        self.is_proven_later = False
        self.privacy = Privacy(settings.privacy or (), settings.privacy_key)
        self._settings = settings
        self._owns_client = client is None
        self._clock = clock
        self._progress = progress or _unseen
        self._chunk_runs = chunk_runs
        self._stored_ids = stored_ids
        self._stored_runs = stored_runs
        self._stored_inputs = stored_inputs
        self._evaluate_ops = settings.evaluate_ops or EVALUATE_OPS
        self._wanted = settings.run_filter()
        self._windows = settings.windows()
        self._state: ProjectState | None = None
        self._todo: deque[PlannedRun] | None = None
        self._gone: list[str] = []
        self._has_companions = False
        self._inputs_seen: set[str] = set()
        self._unresolved: dict[str, tuple[Any, ...]] = {}
        self._folder: Path | None = None

    @property
    def is_range(self) -> bool:
        """Whether a range of runs is read, whatever was read before."""
        return bool(self._wanted.since or self._wanted.until or self._wanted.run_ids)

    @property
    def is_full(self) -> bool:
        """Whether every run is read again."""
        return self._stored_ids is not None

    @property
    def has_predictions(self) -> bool:
        """Whether the table `predictions` is wanted."""
        return self._settings.with_predictions

    @property
    def has_more(self) -> bool:
        """Whether runs are left for another chunk (also before the first)."""
        return self._todo is None or bool(self._todo) or bool(self._gone)

    @property
    def state_key(self) -> str:
        """Under which key the project's state is saved: filtered loads have a state of their own."""
        filters = (sorted(self._wanted.evaluations), sorted(self._wanted.models), self._settings.only_v2_runs)
        if not any(filters):
            return self._settings.project
        mark = hashlib.blake2b(repr(filters).encode(), digest_size=6).hexdigest()
        return f"{self._settings.project}?{mark}"

    def plan(self, saved: Any) -> list[PlannedRun]:
        """Lists the project and decides what to read, given the saved state of `state_key`."""
        now = self._clock()
        state = ProjectState() if self.is_range or self.is_full else load_state(saved, now)
        listed = self.list_runs(state)
        open_runs = [run for run in listed if run.is_open]
        growth = growth_marks(read_trial_calls(self.client, open_runs))
        todo = decide(state, listed, growth, now, self._windows)
        self._state, self._todo = state, deque(todo)
        self._gone = self._find_gone(state, {run.run_id for run in listed})
        self.report.runs_listed = len(listed)
        self.report.runs_open = len(open_runs)
        self.report.runs_unchanged = len(listed) - len(todo)
        return todo

    def take(self, todo: Iterable[PlannedRun], gone: Iterable[str] = ()) -> None:
        """Reads these runs next, and deals with those that are gone, without listing the project."""
        self._todo, self._gone = deque(todo), list(gone)

    def list_runs(self, state: ProjectState) -> list[Run]:
        """The runs that Weave has since the state's listing start, latest first."""
        wanted = self._wanted
        since = wanted.since or listing_start(state, self._windows)
        wanted = RunFilter(since, wanted.until, wanted.run_ids, wanted.evaluations, wanted.models)
        known = state.known() or wanted.run_ids
        listed = list_runs(self.client, wanted, known, self._evaluate_ops)
        self._require({run.run_id for run in listed})
        if not self._settings.only_v2_runs:
            return listed
        v2 = set(list_v2_run_ids(self.client))
        return [run for run in listed if run.run_id in v2 or is_v2_run(run)]

    def _require(self, listed: set[str]) -> None:
        """Raises a sentence if a run that was named is not listed."""
        for run_id in set(self._wanted.run_ids) - listed:
            read_v2_run(self.client, run_id)
            raise TerminalApiError(
                f"The run {run_id} of {self.client.project_id} is an evaluation, but its op is not in evaluate_ops "
                "or it does not match the other filters. Name its op in evaluate_ops."
            )

    def _find_gone(self, state: ProjectState, listed: set[str]) -> list[str]:
        """The runs that were there before and that Weave now says it does not have."""
        is_filtered = self.state_key != self._settings.project or self.is_range
        known = set() if is_filtered else state.known() | set(self._stored_ids or ())
        return sorted(run_id for run_id in known - listed if not run_exists(self.client, run_id))

    def items(self, saved: MutableMapping[str, Any], package: Package) -> Iterator[TableItem]:
        """The items of the next chunk; updates the saved state of the source at the end.

        A client that nobody else can close is closed with the chunk.
        """
        try:
            yield from self._chunk_items(saved, package)
        finally:
            if self._owns_client:
                self.client.close()

    def _chunk_items(self, saved: MutableMapping[str, Any], package: Package) -> Iterator[TableItem]:
        if not is_sound(saved, self._clock()):
            saved.clear()
        projects = saved.setdefault("projects", {})
        if self._todo is None:
            self.plan(projects.get(self.state_key))
        chunk: list[PlannedRun] = []
        writer = RunWriter(self._settings.project, package, self._fresh_folder(package), self.privacy)
        yield from self._remove_gone(writer)
        yield from self._read_results(self._next_chunk(chunk, writer), writer)
        if not self._has_companions:
            yield from self._read_companions(chunk, writer, saved.setdefault("companions", {}))
        yield from writer.flush()
        self.report.rows.update(writer.rows)
        if not self.is_range and (chunk or self._gone):
            projects[self.state_key] = self._advance(projects.get(self.state_key), chunk)
        if self.is_proven_later:
            forget(saved, self._settings.project, self._gone)
            remember(saved, self._settings.project, [self.read[planned.run.run_id] for planned in chunk])
        self._gone = []

    def _next_chunk(self, chunk: list[PlannedRun], writer: RunWriter) -> Iterator[PlannedRun]:
        """Hands out runs, and puts them into `chunk`, until these are enough, or large enough, for a package."""
        while self._todo and not (self._chunk_runs and self._is_enough(chunk, writer)):
            chunk.append(self._todo.popleft())
            yield chunk[-1]

    def _is_enough(self, chunk: Sequence[PlannedRun], writer: RunWriter) -> bool:
        return len(chunk) == self._chunk_runs or writer.bytes_written >= self._settings.package_bytes

    def _advance(self, saved: Any, chunk: Sequence[PlannedRun]) -> dict[str, Any]:
        now = self._clock()
        state = load_state(saved, now) if self._state is None else self._state
        self._state = forget_runs(advance(state, chunk, now, self._windows), self._gone)
        return dump_state(self._state)

    def close(self) -> None:
        """Removes the files that were made for dlt, which has loaded or copied them by now."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _fresh_folder(self, package: Package) -> Path:
        """An empty folder for package files; dlt may still want those of the last chunk until the next one starts."""
        self._folder = package.fresh_folder()
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def _remove_gone(self, writer: RunWriter) -> Iterator[TableItem]:
        """Marks the runs that are gone, or removes them where that is wanted."""
        if not self._gone:
            return
        self.report.runs_deleted += len(self._gone)
        if self.is_full or self._settings.deleted_runs == "remove":
            self.removed += self._gone
            for run_id in self._gone:
                yield from writer.remove(run_id)
        elif self._stored_runs:
            rows = [marked_deleted(row, self._clock()) for row in self._stored_runs(self._gone)]
            yield from writer.add_private("evaluation_runs", rows)

    def _read_companions(
        self, chunk: Sequence[PlannedRun], writer: RunWriter, saved: MutableMapping[str, Any]
    ) -> Iterator[TableItem]:
        """Feedback, and the objects that runs refer to if any run was read; once in an extraction."""
        project = self._settings.project
        cursors = {} if self.is_full else dict(saved.get(project, {}))
        related = RelatedData(self.client, cursors, self._clock(), self._evaluate_ops)
        runs = [planned.run for planned in [*chunk, *(self._todo or ())]]
        for table, rows in related.read(runs, writer.tables):
            yield from writer.add(table, rows)
        self._has_companions = True
        self.report.warnings += related.warnings
        if cursors != saved.get(project, {}):
            saved[project] = cursors

    def _read_results(self, chunk: Iterable[PlannedRun], writer: RunWriter) -> Iterator[TableItem]:
        rows = bool(writer.tables.intersection(RESULT_TABLES))
        wants_summary = "scorer_stats" in writer.tables or ("evaluation_runs" in writer.tables and not rows)
        wants = Wants(rows=rows, inputs="dataset_rows" in writer.tables, summary=wants_summary)
        settings = self._settings
        size = PageSize(settings.page_rows, settings.max_page_bytes)
        reader = ResultsReader(self.client, wants, size, settings.parallelism, with_costs=settings.with_costs)
        total = self.report.runs_read + len(self._todo or ())
        with rare_garbage_collection():
            for part in reader.read(chunk):
                if isinstance(part, RunRead):
                    yield from self._finish(part, writer)
                    self._progress(self.report.runs_read, total)
                else:
                    planned, batch = part
                    self._forget_known_inputs(batch)
                    yield from writer.write(planned.run.run_id, batch)
        yield from self._write_unresolved(writer)

    def _finish(self, read: RunRead, writer: RunWriter) -> Iterator[TableItem]:
        run_id = read.planned.run.run_id
        self.report.reasons[read.planned.reason] += 1
        self.report.warnings += [f"run {run_id}: {warning}" for warning in read.warnings]
        self.read[run_id] = _read_run(read, writer.load_id)
        reading = RunReading(
            status=read.planned.status,
            synced_at=self._clock(),
            url=call_url(web_base_url(self.client.base_url), self.client.project_id, run_id),
            results_load_id=writer.load_id if read.counts else None,
            counts=read.counts,
        )
        yield from writer.close(read, reading)
        if "predictions" in writer.tables and is_v2_run(read.planned.run):
            yield from self._read_predictions(read.planned.run, writer)

    def _read_predictions(self, run: Run, writer: RunWriter) -> Iterator[TableItem]:
        related = RelatedData(self.client, {}, self._clock(), self._evaluate_ops)
        for table, rows in related.read_predictions(run):
            yield from writer.add(table, rows, run.run_id)
        yield from writer.clear(run.run_id, ("predictions",))
        self.report.warnings += related.warnings

    def _forget_known_inputs(self, batch: RunBatch) -> None:
        """Drops the inputs that this load has handed over already; mere refs to inputs wait for the chunk's end."""
        fresh = [row for row in batch.dataset_rows if row[0] not in self._inputs_seen]
        self._unresolved.update({row[0]: row for row in fresh if not row[3]})
        if len(self._inputs_seen) > _REMEMBERED_INPUTS:
            self._inputs_seen.clear()
        batch.dataset_rows = [row for row in fresh if row[3]]
        self._inputs_seen.update(row[0] for row in batch.dataset_rows)

    def _write_unresolved(self, writer: RunWriter) -> Iterator[TableItem]:
        """The refs to inputs that nothing else in this load gave, and that the warehouse does not hold."""
        left = {digest: row for digest, row in self._unresolved.items() if digest not in self._inputs_seen}
        self._unresolved.clear()
        stored = self._stored_inputs(left.keys()) if left and self._stored_inputs else set()
        yield from writer.add("dataset_rows", [row for digest, row in left.items() if digest not in stored])


def _read_run(read: RunRead, load_id: str) -> ReadRun:
    planned = read.planned
    return ReadRun(planned, load_id, read.facts, read.has_no_summary, read.trial_calls, planned.run.is_open)
