"""What was read of one run: collected page by page, until it can be written and proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import ApiError, TransientApiError
from ..proof.reconcile import ApiFacts
from ..rows.flatten import Counts, RunBatch, RunFlattener
from ..state.decisions import PlannedRun
from ..weave.pages import Page, RunSummary
from ..weave.trials import TrialCalls

_MAX_NAMED = 20


@dataclass(frozen=True)
class RunUnread:
    """A run that could not be read to its end because of `error`; None says that Weave no longer has it."""

    planned: PlannedRun
    error: ApiError | None


@dataclass
class RunRead:
    """A run that was read to its end.

    `counts` is None if no rows were wanted, and so is `trial_calls`, the calls API's count of trials. `summary` is
    None if Weave has none, or if it `has_no_summary` to give because it fails on it. `total_rows` is Weave's count of
    rows.
    """

    planned: PlannedRun
    counts: Counts | None = None
    trial_calls: int | None = None
    summary: RunSummary | None = None
    has_no_summary: bool = False
    total_rows: int | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def facts(self) -> ApiFacts:
        """What Weave says of the run; where it fails to, trials are counted by their calls."""
        run_id, summary = self.planned.run.run_id, self.summary
        if self.has_no_summary:
            counted = self.total_rows, self.trial_calls
            return ApiFacts(run_id, *counted, [], has_stats=False, trial_calls=self.trial_calls)
        trials, stats = (summary.trial_count, summary.scorer_stats) if summary else (None, [])
        return ApiFacts(run_id, self.total_rows or 0, trials, stats, trial_calls=self.trial_calls)


class RunCollector:
    """Collects what is read of one run in `read`, and hands on the rows of its pages.

    It `has_gaps` once the server failed on a row, until the trials that no page gave are added.
    """

    def __init__(self, planned: PlannedRun, calls: TrialCalls, *, has_inputs: bool):
        self.read = RunRead(planned)
        self.has_gaps = False
        self._calls = calls
        self._flattener = RunFlattener(planned.run.run_id, calls, has_inputs=has_inputs)

    def expect_rows(self, trial_calls: int) -> None:
        """Has the rows counted; `trial_calls` is the number of trials by the calls API."""
        self.read.counts = self._flattener.counts
        self.read.trial_calls = trial_calls

    def add_page(self, page: Page) -> RunBatch:
        """The rows of a page that are new."""
        self.read.warnings += [*(page.warnings or ()), *page.changes.warnings()]
        self.has_gaps = self.has_gaps or page.is_poisoned
        if page.total_rows:
            self.read.total_rows = page.total_rows
        return self._flattener.flatten(page)

    def add_summary(self, summary: RunSummary | TransientApiError | None) -> None:
        """Takes the run's summary, or the error with which Weave fails on it."""
        if isinstance(summary, TransientApiError):
            self.read.has_no_summary = True
            self.read.warnings.append("Weave fails on its summary; its scorer stats were computed from its scores")
        else:
            self.read.summary = summary

    @property
    def is_short(self) -> bool:
        """Whether rows were wanted and trials are lacking, or there are none: Weave may no longer have the run."""
        found = len(self._flattener.trial_ids)
        return self.read.trial_calls is not None and (not found or found < self.read.trial_calls)

    def skip_results(self) -> None:
        """Has the stats computed: neither rows nor summary of Weave's results are believed."""
        self.read.has_no_summary = True

    def missing_trials(self) -> list[str]:
        """Ids of the trials that no page gave."""
        run_id, found = self.read.planned.run.run_id, self._flattener.trial_ids
        return [call.trial_id for call in self._calls.values() if call.run_id == run_id and call.trial_id not in found]

    def add_rebuilt(self, page: Page, trial_ids: Sequence[str]) -> RunBatch:
        """The rows of a page that was made from the calls of these trials."""
        cause = "fails on its results" if self.has_gaps else "gives fewer trials than it has calls of them"
        self.has_gaps = False
        names = ", ".join(trial_ids[:_MAX_NAMED]) + (", ..." if len(trial_ids) > _MAX_NAMED else "")
        self.read.warnings.append(
            f"Weave {cause}; {len(trial_ids)} trials were rebuilt from their calls, without latency and tokens: {names}"
        )
        return self.add_page(page)
