"""Results of many runs: pages, summaries and trial calls, fetched in parallel, handed over as they come.

Every run is asked for its first page, which tells how many rows it has, then for the rest; its summary is asked for
apart, because asked for with rows it makes the server read the whole run for every page. A page that fails for ever is
halved until the rows that make it fail stand alone; their trials are made from their calls instead.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from ..api.client import WeaveClient
from ..api.readahead import Window
from ..errors import TerminalApiError, TooHeavyError, TransientApiError
from ..proof.reconcile import ApiFacts
from ..rows.flatten import Counts, RunBatch, RunFlattener
from ..state.decisions import PlannedRun
from ..weave.pages import Page, RunSummary, parse_page
from ..weave.trials import TrialCalls
from .rebuilding import rebuild_trials
from .trial_calls import read_trial_calls

_FIRST_GROUP = 2
_GROUP = 10
_GROUP_TRIALS = 20_000
_WAITING = 4
_AHEAD_BYTES = 100_000_000
_MAX_CALLS_BYTES = 64_000_000
_FAILURE = 500
_MAYBE_FOR_EVER = frozenset({408, 500, 502, 504})
_NO_RUN = "00000000-0000-0000-0000-000000000000"
_UNKNOWN_FIELD = 422
_GIVEN_UP = 200
_SUPPOSED = 8
_PAST_THE_END = 1_000_000_000
_MAX_NAMED = 20


@dataclass(frozen=True)
class Wants:
    """Which parts of the results are wanted: rows and what is in them, the inputs, the summaries."""

    rows: bool = True
    inputs: bool = True
    summary: bool = True


@dataclass(frozen=True)
class PageSize:
    """Rows asked for at once, and the bytes above which an answer is given up."""

    rows: int = 500
    max_bytes: int = 16_000_000


@dataclass
class RunRead:
    """A run that was read to its end.

    `counts` is None if no rows were wanted; `summary` is None if Weave has none, or if it `has_no_summary` to give
    because it fails on it. `total_rows` is Weave's count of rows, `trial_calls` the calls API's count of trials.
    """

    planned: PlannedRun
    counts: Counts | None
    summary: RunSummary | None
    warnings: list[str]
    has_no_summary: bool = False
    total_rows: int | None = None
    trial_calls: int | None = None

    @property
    def facts(self) -> ApiFacts:
        """What Weave says of the run; where it fails to, trials are counted by their calls."""
        run_id, summary = self.planned.run.run_id, self.summary
        if self.has_no_summary:
            return ApiFacts(run_id, self.total_rows, self.trial_calls, [], has_stats=False)
        trials, stats = (summary.trial_count, summary.scorer_stats) if summary else (None, [])
        return ApiFacts(run_id, self.total_rows or 0, trials, stats)


@dataclass
class _Reading:
    planned: PlannedRun
    flattener: RunFlattener
    tasks: int = 0
    planned_rows: int = 0
    summary: RunSummary | None = None
    warnings: list[str] = field(default_factory=list)
    has_no_summary: bool = False
    total_rows: int | None = None
    is_poisoned: bool = False
    calls: TrialCalls = field(default_factory=dict)
    trial_calls: int = 0


_Task = tuple[_Reading, Callable[[], Any], Callable[[_Reading, Any], Iterator[RunBatch]]]


class ResultsReader:
    """Reads the results of runs with up to `parallelism` requests at once and few more answers in memory."""

    def __init__(self, client: WeaveClient, wants: Wants, size: PageSize, parallelism: int, *, with_costs: bool = True):
        self._client = client
        self._wants = wants
        self._size = size
        self._parallelism = parallelism
        self._bytes_per_row = 0.0
        self._group_runs = _FIRST_GROUP
        self._failing_runs: set[str] = set()
        self._tasks: deque[_Task] = deque()
        self._costs = _Costs(is_wanted=with_costs)

    def read(self, planned_runs: Iterable[PlannedRun]) -> Iterator[tuple[PlannedRun, RunBatch] | RunRead]:
        """The rows of all runs in batches, interleaved, and a `RunRead` after the last batch of each.

        `planned_runs` are taken a few at a time, while earlier ones are still being read.
        """
        pool = ThreadPoolExecutor(self._parallelism, thread_name_prefix="weave-eval")
        try:
            yield from self._read(pool, iter(planned_runs))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _read(
        self, pool: ThreadPoolExecutor, planned_runs: Iterator[PlannedRun]
    ) -> Iterator[tuple[PlannedRun, RunBatch] | RunRead]:
        group, calls = self._next_group(pool, planned_runs)
        running: dict[Future[Any], _Task] = {}
        window = Window(self._parallelism + _WAITING)
        while running or self._tasks or group:
            room = self._room(window)
            if not self._tasks and group and len(running) < room:
                opened, found = group, calls.result()
                self._note_trials(opened, found)
                group, calls = self._next_group(pool, planned_runs)
                yield from self._open(opened, found)
            while self._tasks and len(running) < room:
                task = self._tasks.popleft()
                running[pool.submit(task[1])] = task
            if running:
                future = self._next_answer(running, window)
                reading, _, take = running.pop(future)
                for batch in take(reading, future.result()):
                    yield reading.planned, batch
                yield from self._finished(reading)

    def _next_answer(self, running: Mapping[Future[Any], _Task], window: Window) -> Future[Any]:
        """The answer that was asked for first of those that are there, or else the one that comes next."""
        window.refused(self._client.traffic.throttled)
        there = [future for future in running if future.done()]
        if there:
            window.found(len(there))
            return there[0]
        began, used = time.monotonic(), time.process_time()
        future = wait(running, return_when=FIRST_COMPLETED).done.pop()
        window.waited(time.monotonic() - began - (time.process_time() - used))
        return future

    def _room(self, window: Window) -> int:
        """Answers that may be on their way or in memory at once: fewer where pages are heavy."""
        weight = self._bytes_per_row * self._page_rows()
        return min(window.size, max(1, int(_AHEAD_BYTES / weight))) if weight else window.size

    def _next_group(
        self, pool: ThreadPoolExecutor, planned_runs: Iterator[PlannedRun]
    ) -> tuple[list[PlannedRun], Future[TrialCalls]]:
        """The runs to read next, whose trials' calls are asked for."""
        group = list(islice(planned_runs, self._group_runs))
        return group, pool.submit(self._read_calls, group if self._wants.rows else ())

    def _note_trials(self, group: Sequence[PlannedRun], calls: TrialCalls) -> None:
        """Has the next group be of so many runs that their trials' calls fit in memory, by what this one has."""
        self._group_runs = max(1, min(_GROUP, _GROUP_TRIALS * len(group) // max(1, len(calls))))

    def _read_calls(self, group: Sequence[PlannedRun]) -> TrialCalls:
        runs = [planned.run for planned in group]
        limit = _MAX_CALLS_BYTES if len(group) > 1 else None
        try:
            return read_trial_calls(self._client, runs, max_bytes=limit)
        except TooHeavyError:
            if len(group) < 2:
                raise
            middle = len(group) // 2
            return self._read_calls(group[:middle]) | self._read_calls(group[middle:])

    def _open(self, group: Sequence[PlannedRun], calls: TrialCalls) -> Iterator[RunRead]:
        trial_calls = Counter(call.run_id for call in calls.values())
        for planned in group:
            run_id = planned.run.run_id
            flattener = RunFlattener(run_id, calls, has_inputs=self._wants.inputs)
            reading = _Reading(planned, flattener, calls=calls, trial_calls=trial_calls[run_id])
            if self._wants.rows:
                self._plan(reading, self._page_rows())
            if self._wants.summary:
                self._add(reading, partial(self._read_summary, run_id), _take_summary)
            if not reading.tasks:
                yield RunRead(planned, None, None, [])

    def _finished(self, reading: _Reading) -> Iterator[RunRead]:
        reading.tasks -= 1
        if reading.tasks:
            return
        if reading.is_poisoned:
            reading.is_poisoned = False
            self._add(reading, partial(self._rebuild, reading), self._take_pages)
            return
        yield RunRead(
            reading.planned,
            reading.flattener.counts if self._wants.rows else None,
            reading.summary,
            reading.warnings,
            reading.has_no_summary,
            reading.total_rows,
            reading.trial_calls if self._wants.rows else None,
        )

    def _add(
        self,
        reading: _Reading,
        work: Callable[[], Any],
        take: Callable[[_Reading, Any], Iterator[RunBatch]],
        *,
        first: bool = False,
    ) -> None:
        reading.tasks += 1
        (self._tasks.appendleft if first else self._tasks.append)((reading, work, take))

    def _plan(self, reading: _Reading, until: int, *, first: bool = False) -> None:
        """Plans pages from the end of what is planned to `until` rows."""
        step = self._page_rows()
        run_id = reading.planned.run.run_id
        for offset in range(reading.planned_rows, until, step):
            work = partial(self._read_range, run_id, offset, min(step, until - offset))
            self._add(reading, work, self._take_pages, first=first)
        reading.planned_rows = max(reading.planned_rows, until)

    def _page_rows(self) -> int:
        """Rows that fill half of the largest page, by what rows weighed so far."""
        if not self._bytes_per_row:
            return self._size.rows
        return max(1, min(self._size.rows, int(self._size.max_bytes / 2 / self._bytes_per_row)))

    def _note_weight(self, error: TransientApiError, limit: int) -> None:
        """Supposes, of an answer that was given up, rows so heavy that it will not be tried with many again."""
        if isinstance(error, TooHeavyError) and error.status == _GIVEN_UP:
            self._bytes_per_row = max(self._bytes_per_row, _SUPPOSED * self._size.max_bytes / limit)

    def _take_pages(self, reading: _Reading, pages: Sequence[Page]) -> Iterator[RunBatch]:
        for page in pages:
            if page.rows:
                weight = page.body_bytes / len(page.rows)
                self._bytes_per_row = max(weight, 0.8 * self._bytes_per_row + 0.2 * weight)
            reading.warnings += _page_warnings(page)
            reading.is_poisoned = reading.is_poisoned or page.is_poisoned
            if page.total_rows:
                reading.total_rows = page.total_rows
            yield reading.flattener.flatten(page)
            if page.total_rows and page.total_rows > reading.planned_rows:
                self._plan(reading, page.total_rows, first=True)

    def _read_range(self, run_id: str, offset: int, limit: int) -> list[Page]:
        """The rows of a range: one page, or several where the server cannot give them at once."""
        if run_id in self._failing_runs:
            return [Page(is_poisoned=True)]
        if limit <= 2 * self._page_rows():
            page = self._page_or_error(run_id, offset, limit)
            if isinstance(page, Page):
                return [page]
            self._require_results(page)
            if limit == 1:
                return [self._read_failing_row(run_id, offset)]
            self._note_weight(page, limit)
        half = (limit + 1) // 2
        pages = self._read_range(run_id, offset, half)
        if any(page.total_rows and page.total_rows <= offset + half for page in pages):
            return pages
        return pages + self._read_range(run_id, offset + half, limit - half)

    def _page_or_error(self, run_id: str, offset: int, limit: int) -> Page | TransientApiError:
        """The page, or the error that fewer rows may not meet: its traceback would keep the pages read next."""
        try:
            return self._read_page(run_id, offset, limit)
        except TransientApiError as error:
            if not (error.status in _MAYBE_FOR_EVER or isinstance(error, TooHeavyError)):
                raise
            return error.with_traceback(None)

    def _require_results(self, error: TransientApiError) -> None:
        """Raises `error` if the server fails on results of any run: then it is down, and no row is to blame.

        It is asked, patiently, for the results of a run that does not exist.
        """
        if error.status not in _MAYBE_FOR_EVER:
            return
        body = {"evaluation_call_ids": [_NO_RUN], "include_rows": True, "limit": 1, "offset": 0}
        purpose = "finding out whether Weave gives any results"
        try:
            self._client.post(self._client.v2_path("eval_results/query"), body, parse_page, purpose=purpose)
        except TransientApiError:
            raise error from None
        except TerminalApiError:
            pass

    def _read_failing_row(self, run_id: str, offset: int) -> Page:
        """A row that the server failed on: asked for once more, else marked as poisoned.

        Raises `TransientApiError` unless the server itself fails on it: gateways and timeouts say nothing of a row.
        """
        try:
            return self._read_page(run_id, offset, 1)
        except TransientApiError as error:
            if error.status != _FAILURE:
                raise
        if self._fails_past_the_end(run_id):
            self._failing_runs.add(run_id)
        return Page(is_poisoned=True)

    def _fails_past_the_end(self, run_id: str) -> bool:
        """Whether the server fails where no rows are: then it fails on every page of the run."""
        try:
            self._read_page(run_id, _PAST_THE_END, 1)
        except TransientApiError as error:
            return error.status == _FAILURE
        return False

    def _read_page(self, run_id: str, offset: int, limit: int) -> Page:
        body = {
            "evaluation_call_ids": [run_id],
            "include_rows": True,
            "include_raw_data_rows": self._wants.inputs,
            "resolve_row_refs": self._wants.inputs,
            "limit": limit,
            "offset": offset,
        }
        purpose = f"reading rows {offset} to {offset + limit - 1} of the run {run_id}"
        max_bytes = self._size.max_bytes if limit > 1 else None
        path = self._client.v2_path("eval_results/query")
        post = partial(
            self._client.post, path, parse=parse_page, purpose=purpose, max_bytes=max_bytes, has_alternative=True
        )
        return self._costs.asked(body, post)

    def _rebuild(self, reading: _Reading) -> list[Page]:
        """The trials that no page gave, made from their calls."""
        run_id = reading.planned.run.run_id
        missing = [
            call.trial_id
            for call in reading.calls.values()
            if call.run_id == run_id and call.trial_id not in reading.flattener.trial_ids
        ]
        page = rebuild_trials(self._client, run_id, missing)
        names = ", ".join(missing[:_MAX_NAMED]) + (", ..." if len(missing) > _MAX_NAMED else "")
        reading.warnings.append(
            f"Weave fails on its results; {len(missing)} trials were rebuilt from their calls, without latency and "
            f"tokens: {names}"
        )
        return [page]

    def _read_summary(self, run_id: str) -> RunSummary | TransientApiError | None:
        """The run's summary, None if it has none, or the error with which Weave fails on it for ever."""
        body = {"evaluation_call_ids": [run_id], "include_rows": False, "include_summary": True}
        path, purpose = self._client.v2_path("eval_results/query"), f"reading the summary of the run {run_id}"
        post = partial(self._client.post, path, body, parse_page, purpose=purpose, has_alternative=True)
        try:
            page = self._asked_again(post)
        except TransientApiError as error:
            if error.status in _MAYBE_FOR_EVER or isinstance(error, TooHeavyError):
                return error
            raise
        runs = page.summary.evaluations if page.summary else []
        return next((run for run in runs if run.evaluation_call_id == run_id), None)

    def _asked_again(self, post: Callable[[], Page]) -> Page:
        """An answer that the server may fail on for ever: asked for again if it gives other results."""
        try:
            return post()
        except TransientApiError as error:
            if error.status not in _MAYBE_FOR_EVER:
                raise
            self._require_results(error)
            return post()


def _take_summary(reading: _Reading, summary: RunSummary | TransientApiError | None) -> Iterator[RunBatch]:
    if isinstance(summary, TransientApiError):
        reading.has_no_summary = True
        reading.warnings.append("Weave fails on its summary; its scorer stats were computed from its scores")
    else:
        reading.summary = summary
    yield from ()


class _Costs:
    """Asks for costs until the server turns out not to know the field (servers up to 0.53.0 refuse it)."""

    def __init__(self, *, is_wanted: bool):
        self._is_known = not is_wanted
        self._is_asked = is_wanted
        self._lock = threading.Lock()

    def asked(self, body: dict[str, Any], post: Callable[[dict[str, Any]], Page]) -> Page:
        """The answer to `body`, with costs if the server has them. Until that is known, one request goes at a time."""
        if self._is_known:
            return post(self._body(body))
        with self._lock:
            page = self._find_out(body, post)
            self._is_known = True
            return page

    def _find_out(self, body: dict[str, Any], post: Callable[[dict[str, Any]], Page]) -> Page:
        try:
            return post(self._body(body))
        except TerminalApiError as error:
            if error.status != _UNKNOWN_FIELD or not self._is_asked:
                raise
            self._is_asked = False
            return post(body)

    def _body(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "include_costs": True} if self._is_asked else body


def _page_warnings(page: Page) -> list[str]:
    warnings = list(page.warnings or ())
    if page.changes.texts:
        warnings.append(f"{page.changes.texts} texts with NUL or lone surrogates were changed (to U+FFFD)")
    if page.changes.numbers:
        warnings.append(f"{page.changes.numbers} numbers that are not finite were changed to null")
    return warnings
