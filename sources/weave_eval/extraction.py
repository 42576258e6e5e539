"""One project's extraction: what to read, reading it, and the rows for each table.

An `Extraction` lists the project once, decides, and hands out the runs in chunks, so that a large backfill commits
its progress; what it yields are the items that dlt loads.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .arrow import record_batch
from .changes import (
    Decision,
    ProjectState,
    advance,
    decide,
    dump_state,
    listing_start,
    load_state,
    utc_now,
)
from .client import WeaveClient
from .credentials import api_key, trace_base_url, web_base_url
from .discovery import EVALUATE_OPS, RunFilter, list_runs, list_v2_run_ids, read_v2_run, run_exists
from .errors import TerminalApiError
from .flatten import RunBatch, RunReading, Tuples, flatten_run, flatten_stats, tombstone
from .limiter import RateLimiter
from .package_files import Form, PackageFiles, TableItem
from .results import PageSize, ResultsReader, RunRead, Wants
from .runs import Run
from .settings import Settings
from .tables import TABLES
from .trial_calls import growth_marks, read_trial_calls

CHILD_TABLES = tuple(table.name for table in TABLES if table.replace == "run" and table.name != "evaluation_runs")
"""Tables whose rows belong to a run."""

_ROW_TABLES = frozenset({"dataset_rows", "result_rows", "trials", "scores"})
_REMEMBERED_INPUTS = 200_000


@dataclass
class Report:
    """What an extraction did. `rows` counts by table, `reasons` the runs read by why they were."""

    runs_listed: int = 0
    runs_unchanged: int = 0
    runs_open: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    @property
    def runs_read(self) -> int:
        """Runs that were read."""
        return sum(self.reasons.values())


Progress = Callable[[int, int], None]
"""Called after each run with the number of runs read and of runs to read."""


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
        stored: Collection[str] | None = None,
    ):
        """Prepares the extraction; nothing is asked for yet.

        `progress` is told the runs read and to read; `chunk_runs` bounds a chunk. `stored` are the runs that the
        warehouse holds: with it, every run is read again, and those that Weave no longer has are removed.
        """
        self.report = Report()
        self.client = client or connect(settings)
        self._stored = stored
        self._state = ProjectState()
        self._gone: list[str] = []
        self._settings = settings
        self._clock = clock
        self._progress = progress or _unseen
        self._chunk_runs = chunk_runs
        self._wanted = settings.run_filter()
        self._windows = settings.windows()
        self._todo: list[Decision] | None = None
        self._inputs_seen: set[str] = set()
        self._folder: str | None = None

    @property
    def is_range(self) -> bool:
        """Whether a range of runs is read, whatever was read before."""
        return bool(self._wanted.since or self._wanted.until or self._wanted.run_ids)

    @property
    def has_more(self) -> bool:
        """Whether runs are left for another chunk (also before the first)."""
        return self._todo is None or bool(self._todo)

    def plan(self, saved: Any) -> list[Decision]:
        """Lists the project and decides what to read, given the saved state of `state_key`."""
        now = self._clock()
        state = ProjectState() if self.is_range or self._stored is not None else load_state(saved, now)
        self._state = state
        listed = self._list(state)
        self._gone = self._confirmed_gone({run.run_id for run in listed})
        open_runs = [run for run in listed if run.is_open]
        growth = growth_marks(read_trial_calls(self.client, open_runs)) if open_runs else {}
        todo = decide(state, listed, growth, now, self._windows)
        self.report.runs_listed = len(listed)
        self.report.runs_open = len(open_runs)
        self.report.runs_unchanged = len(listed) - len(todo)
        return todo

    def _confirmed_gone(self, listed: set[str]) -> list[str]:
        """The stored runs that Weave says it does not have."""
        if self._stored is None or self.state_key != self._settings.project:
            return []
        return sorted(run_id for run_id in set(self._stored) - listed if not run_exists(self.client, run_id))

    @property
    def state_key(self) -> str:
        """Under which key the project's state is saved: filtered loads have a state of their own."""
        filters = (sorted(self._wanted.evaluations), sorted(self._wanted.models), self._settings.only_v2_runs)
        if not any(filters):
            return self._settings.project
        mark = hashlib.blake2b(repr(filters).encode(), digest_size=6).hexdigest()
        return f"{self._settings.project}?{mark}"

    def items(
        self, saved: MutableMapping[str, Any], tables: Collection[str], form: Form, load_id: str
    ) -> Iterator[TableItem]:
        """The items of the next chunk for `tables`; saves what was read in `saved` at the end."""
        if self._todo is None:
            self._todo = self.plan(saved.get(self.state_key))
        size = self._chunk_runs or len(self._todo)
        chunk, self._todo = self._todo[:size], self._todo[size:]
        if not chunk and not self._gone:
            return
        yield from self._read(chunk, PackageFiles(form, self._fresh_folder()), frozenset(tables), load_id)
        if not self.is_range:
            self._state = advance(self._state, chunk, self._clock(), self._windows)
            saved[self.state_key] = dump_state(self._state)

    def _fresh_folder(self) -> Path:
        """An empty folder for package files; dlt may still want those of the last chunk until the next one starts."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = tempfile.mkdtemp(prefix="weave_eval_")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return Path(self._folder)

    def _list(self, state: ProjectState) -> list[Run]:
        wanted = self._wanted
        since = wanted.since or listing_start(state, self._windows)
        wanted = RunFilter(since, wanted.until, wanted.run_ids, wanted.evaluations, wanted.models)
        if self._settings.only_v2_runs:
            v2 = set(list_v2_run_ids(self.client))
            return [run for run in self._list_calls(wanted, state) if run.run_id in v2]
        return self._list_calls(wanted, state)

    def _list_calls(self, wanted: RunFilter, state: ProjectState) -> list[Run]:
        known = state.known() or wanted.run_ids
        listed = list_runs(self.client, wanted, known, self._settings.evaluate_ops or EVALUATE_OPS)
        for run_id in set(wanted.run_ids) - {run.run_id for run in listed}:
            read_v2_run(self.client, run_id)
            raise TerminalApiError(
                f"The run {run_id} of {self.client.project_id} is an evaluation, but its op is not in evaluate_ops "
                "or it does not match the other filters. Name its op in evaluate_ops."
            )
        return listed

    def _read(
        self, chunk: list[Decision], files: PackageFiles, tables: frozenset[str], load_id: str
    ) -> Iterator[TableItem]:
        writer = _RunWriter(self._settings.project, load_id, tables, files, self.report.rows)
        for run_id in self._gone:
            yield from writer.clear(run_id, ("evaluation_runs", *CHILD_TABLES))
        self._gone = []
        yield from self._read_results(chunk, writer, tables, load_id)
        yield from files.flush()

    def _read_results(
        self, chunk: list[Decision], writer: _RunWriter, tables: frozenset[str], load_id: str
    ) -> Iterator[TableItem]:
        rows = bool(tables & _ROW_TABLES)
        summary = "scorer_stats" in tables or not rows
        wants = Wants(rows=rows, inputs="dataset_rows" in tables, summary=summary)
        size = PageSize(self._settings.page_rows, self._settings.max_page_bytes)
        reader = ResultsReader(self.client, wants, size, self._settings.parallelism)
        total = self.report.runs_read + len(chunk) + len(self._todo or ())
        for part in reader.read(chunk):
            if isinstance(part, RunRead):
                yield from self._finish(part, writer, load_id)
                self._progress(self.report.runs_read, total)
            else:
                decision, batch = part
                self._forget_known_inputs(batch)
                yield from writer.write(decision.run.run_id, batch)

    def _finish(self, read: RunRead, writer: _RunWriter, load_id: str) -> Iterator[TableItem]:
        run_id = read.decision.run.run_id
        self.report.reasons[read.decision.reason] += 1
        self.report.warnings += [f"run {run_id}: {warning}" for warning in read.warnings]
        reading = RunReading(
            status=read.decision.status,
            synced_at=self._clock(),
            url=f"{web_base_url(self.client.base_url)}/{self.client.project_id}/r/call/{run_id}",
            results_load_id=load_id if read.counts else None,
            counts=read.counts,
        )
        yield from writer.close(read, reading)

    def _forget_known_inputs(self, batch: RunBatch) -> None:
        """Drops the inputs that this load has handed over already."""
        fresh = [row for row in batch.dataset_rows if row[0] not in self._inputs_seen]
        if len(self._inputs_seen) > _REMEMBERED_INPUTS:
            self._inputs_seen.clear()
        self._inputs_seen.update(row[0] for row in fresh if row[3])
        batch.dataset_rows = fresh


class _RunWriter:
    """Turns the rows of runs into record batches of the wanted tables."""

    def __init__(self, project_id: str, load_id: str, tables: frozenset[str], files: PackageFiles, rows: Counter[str]):
        self._constants = {"project_id": project_id, "_dlt_load_id": load_id}
        self._tables = tables
        self._files = files
        self._rows = rows

    def write(self, run_id: str, batch: RunBatch) -> Iterator[TableItem]:
        """Rows of a run."""
        for table, rows in vars(batch).items():
            yield from self._add(table, run_id, rows)

    def close(self, read: RunRead, reading: RunReading) -> Iterator[TableItem]:
        """The run's own row and stats, and a tombstone for every table that is replaced by run."""
        run = read.decision.run
        stats = flatten_stats(run.run_id, read.summary) if read.summary else []
        yield from self._add("evaluation_runs", run.run_id, [flatten_run(self._constants["project_id"], run, reading)])
        yield from self._add("scorer_stats", run.run_id, stats)
        yield from self.clear(run.run_id, CHILD_TABLES)

    def clear(self, run_id: str, tables: Iterable[str]) -> Iterator[TableItem]:
        """Removes what `tables` held of a run before this load."""
        for table in tables:
            yield from self._add(table, run_id, [tombstone(table, run_id)], counted=False)

    def _add(self, table: str, run_id: str, rows: Tuples, *, counted: bool = True) -> Iterator[TableItem]:
        if rows and table in self._tables:
            self._rows[table] += len(rows) if counted else 0
            constants = {**self._constants, "run_id": run_id}
            yield from self._files.add(table, record_batch(table, rows, constants))
