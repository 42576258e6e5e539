"""Results of many runs, read in parallel and handed over as they come.

Every run is asked for its first page, which says how many rows it has, then for the rest, and for its summary. Trials
of rows that the server fails on are rebuilt from their calls, and all trials of a run that is planned so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..api.client import WeaveClient
from ..api.request_queue import RequestQueue
from ..errors import ApiError, TransientApiError
from ..rows.flatten import RunBatch
from ..state.decisions import PlannedRun
from ..weave.pages import Page, RunSummary
from .discovery import run_exists
from .eval_results import EvalResults
from .page_size import PageSize, RowWeights
from .rebuilding import rebuild_trials
from .run_collector import RunCollector, RunRead, RunUnread
from .run_groups import GroupCalls, RunGroups, read_group_calls
from .run_pages import RunPages

_WAITING = 4


@dataclass(frozen=True)
class Wants:
    """Which parts of the results are wanted: rows and what is in them, the inputs, the summaries."""

    rows: bool = True
    inputs: bool = True
    summary: bool = True


_Take = Callable[[Any], Iterator[RunBatch]]
_Queue = RequestQueue[tuple["_OpenRun", _Take]]


@dataclass
class _OpenRun:
    """A run that is being read: its requests that are not answered yet, and the rows asked for so far.

    `exists` says whether Weave still has it, once that was asked.
    """

    collector: RunCollector
    queue: _Queue
    requests: int = 0
    requested_rows: int = 0
    exists: bool | None = None
    is_given_up: bool = False

    @property
    def planned(self) -> PlannedRun:
        """The run and why it is read."""
        return self.collector.read.planned

    def request(self, make: Callable[[], Any], take: _Take, *, first: bool = False) -> None:
        """Has the request made, and its answer given to `take`."""
        self.requests += 1
        self.queue.add(lambda: None if self.is_given_up else make(), (self, take), first=first)


class ResultsReader:
    """Reads the results of runs with up to `parallelism` requests at once and few more answers in memory."""

    def __init__(self, client: WeaveClient, wants: Wants, size: PageSize, parallelism: int, *, with_costs: bool = True):
        self._client = client
        self._wants = wants
        self._parallelism = parallelism
        self._weights = RowWeights(size)
        self._results = EvalResults(client, has_inputs=wants.inputs, with_costs=with_costs)
        self._pages = RunPages(self._results, self._weights)

    def read(self, planned_runs: Iterable[PlannedRun]) -> Iterator[tuple[PlannedRun, RunBatch] | RunRead | RunUnread]:
        """The rows of all runs in batches, interleaved, and a `RunRead` after the last batch of each.

        A `RunUnread` ends a run on which alone Weave fails, or that is gone meanwhile; its earlier rows are void.
        `planned_runs` are taken a few at a time, while earlier ones are still being read.
        """
        pool = ThreadPoolExecutor(self._parallelism, thread_name_prefix="weave-eval")
        try:
            yield from self._read(pool, iter(planned_runs))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def require_blame(self, error: ApiError) -> None:
        """Raises `error` unless one run alone is to blame for it, as Weave gives results of others."""
        self._results.require_blame(error)

    def _read(
        self, pool: ThreadPoolExecutor, planned_runs: Iterator[PlannedRun]
    ) -> Iterator[tuple[PlannedRun, RunBatch] | RunRead | RunUnread]:
        groups = RunGroups(planned_runs, partial(self._request_calls, pool))
        queue: _Queue = RequestQueue(pool, self._parallelism + _WAITING, self._client.traffic)
        while groups.has_more or not queue.is_empty:
            most = self._weights.pages_in_memory(queue.size)
            if groups.has_more and queue.has_room(most):
                yield from self._open(queue, *groups.take())
            queue.start(most)
            if queue.is_running:
                (run, take), answer = queue.take()
                yield from self._take(run, take, answer)

    def _take(
        self, run: _OpenRun, take: _Take, answer: Future[Any]
    ) -> Iterator[tuple[PlannedRun, RunBatch] | RunRead | RunUnread]:
        """What an answer gives of a run; nothing if the run is given up already."""
        run.requests -= 1
        if run.is_given_up:
            return
        try:
            found = answer.result()
        except ApiError as error:
            self.require_blame(error)
            run.is_given_up = True
            yield RunUnread(run.planned, error.with_traceback(None))
            return
        for batch in take(found):
            yield run.planned, batch
        yield from self._close(run)

    def _request_calls(self, pool: ThreadPoolExecutor, group: Sequence[PlannedRun]) -> Future[GroupCalls]:
        runs = [planned.run for planned in group] if self._wants.rows else []
        return pool.submit(read_group_calls, self._client, runs)

    def _open(self, queue: _Queue, group: Sequence[PlannedRun], found: GroupCalls) -> Iterator[RunRead | RunUnread]:
        """Asks for the first pages and the summaries of a group of runs."""
        calls = found.calls
        counts = Counter(call.run_id for call in calls.values())
        for planned in group:
            run_id = planned.run.run_id
            if run_id in found.errors:
                yield RunUnread(planned, found.errors[run_id])
                continue
            run = _OpenRun(RunCollector(planned, calls, has_inputs=self._wants.inputs), queue)
            if self._wants.rows:
                run.collector.expect_rows(counts[run_id])
            if planned.is_from_calls:
                run.collector.skip_results()
                self._request_rebuilt(run)
                continue
            if self._wants.rows:
                self._request_rows(run, self._weights.page_rows())
            if self._wants.summary:
                run.request(partial(self._results.summary, run_id), partial(self._take_summary, run))
            if not run.requests:
                yield run.collector.read

    def _close(self, run: _OpenRun) -> Iterator[RunRead | RunUnread]:
        """The run, if that was the last of its requests, nothing is left to rebuild, and Weave still has it."""
        if run.requests:
            return
        run_id = run.planned.run.run_id
        if run.collector.has_gaps:
            self._request_rebuilt(run)
        elif run.exists is False:
            yield RunUnread(run.planned, None)
        elif run.exists is None and run.collector.is_short:
            run.request(partial(run_exists, self._client, run_id), partial(self._take_existence, run))
        else:
            yield run.collector.read

    def _take_existence(self, run: _OpenRun, exists: bool) -> Iterator[RunBatch]:  # noqa: FBT001 - an answer
        run.exists = exists
        yield from ()

    def _request_rebuilt(self, run: _OpenRun) -> None:
        """Asks for the calls of the trials that no page gave."""
        missing = run.collector.missing_trials()
        rebuild = partial(rebuild_trials, self._client, run.planned.run.run_id, missing)
        run.request(rebuild, partial(self._take_rebuilt, run, missing))

    def _request_rows(self, run: _OpenRun, until: int, *, first: bool = False) -> None:
        """Asks for pages from the end of what was asked for to `until` rows."""
        step = self._weights.page_rows()
        for offset in range(run.requested_rows, until, step):
            read = partial(self._pages.read, run.planned.run.run_id, offset, min(step, until - offset))
            run.request(read, partial(self._take_pages, run), first=first)
        run.requested_rows = max(run.requested_rows, until)

    def _take_pages(self, run: _OpenRun, pages: Sequence[Page]) -> Iterator[RunBatch]:
        for page in pages:
            self._weights.add(page)
            yield run.collector.add_page(page)
            if page.total_rows and page.total_rows > run.requested_rows:
                self._request_rows(run, page.total_rows, first=True)

    def _take_rebuilt(self, run: _OpenRun, trial_ids: Sequence[str], page: Page) -> Iterator[RunBatch]:
        self._weights.add(page)
        yield run.collector.add_rebuilt(page, trial_ids)

    def _take_summary(self, run: _OpenRun, summary: RunSummary | TransientApiError | None) -> Iterator[RunBatch]:
        run.collector.add_summary(summary)
        yield from ()
