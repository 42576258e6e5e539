"""What the report is about, read from the views: runs, their scores, changes, flaky rows, errors, freshness."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

EvaluationKey = tuple[str, str]
"""Project and name of an evaluation."""


@dataclass(frozen=True)
class ReportedRun:
    """A run with what it cost and how long its answers took. Times are UTC.

    `is_full` says that it completed over as many inputs as its evaluation has, `has_mostly_failed` that more than half
    of its trials failed or are missing. Costs are US dollars, latencies
    seconds.
    """

    run_id: str
    project_id: str
    run_name: str
    evaluation_id: str
    evaluation_name: str
    model_id: str
    model_name: str
    version: str
    status: str
    started_at: datetime
    finished_at: datetime | None = None
    error: str | None = None
    is_full: bool = False
    has_mostly_failed: bool = False
    row_count: int = 0
    expected_trial_count: int = 0
    trial_count: int = 0
    error_count: int = 0
    is_reconciled: bool | None = None
    dataset_ref: str | None = None
    url: str | None = None
    total_cost: float | None = None
    total_tokens: int | None = None
    cost_per_trial: float | None = None
    tokens_per_trial: float | None = None
    latency_p50: float | None = None
    latency_p95: float | None = None

    @property
    def evaluation(self) -> EvaluationKey:
        """The evaluation, whichever version of it."""
        return self.project_id, self.evaluation_name

    @property
    def model(self) -> str:
        """The model with its version."""
        return f"{self.model_name} {self.version}".strip()


@dataclass(frozen=True)
class Score:
    """A metric over a run: a pass rate with Wilson's interval, or a mean with its own.

    The bounds are None where the rows do not say how far they vary.
    """

    run_id: str
    metric: str
    scorer_name: str
    is_binary: bool
    row_count: int
    scored_count: int
    value: float
    low: float | None
    high: float | None

    @property
    def reach(self) -> tuple[float, float]:
        """From where to where it is drawn: its interval, or the value alone."""
        return self.value if self.low is None else self.low, self.value if self.high is None else self.high


@dataclass(frozen=True)
class ScorerChange:
    """A run that is the first of its model with another version of a scorer; means are of the common rows."""

    run_id: str
    metric: str
    scorer_name: str
    scorer_ref: str
    common_row_count: int
    previous_mean: float
    mean_value: float


@dataclass(frozen=True)
class Drift:
    """How the rows of a run differ from those of the completed run before it."""

    run_id: str
    previous_run_id: str
    common_row_count: int
    added_row_count: int
    removed_row_count: int


@dataclass(frozen=True)
class FlakyRow:
    """An input on which one model passed and failed by the same version of a scorer."""

    project_id: str
    row_digest: str
    model_id: str
    model_name: str
    metric: str
    scorer_ref: str
    run_count: int
    flaky_run_count: int
    scored_count: int
    pass_count: int
    last_run_at: datetime


@dataclass(frozen=True)
class MissingScore:
    """A metric that some trials of a run lack. Rates are shares of the scored and of all trials."""

    run_id: str
    metric: str
    scorer_name: str
    expected_trial_count: int
    missing_count: int
    pass_rate: float | None
    strict_pass_rate: float | None


@dataclass(frozen=True)
class FailedTrial:
    """A trial that raised."""

    run_id: str
    row_digest: str
    error: str | None


@dataclass(frozen=True)
class Freshness:
    """How fresh and proven a project is. Times are UTC."""

    project_id: str
    run_count: int
    running_count: int
    unreconciled_count: int
    unproven_count: int
    last_run_started_at: datetime | None
    last_run_finished_at: datetime | None
    last_sync_finished_at: datetime | None
    last_failure_at: datetime | None
    last_error: str | None


@dataclass(frozen=True)
class WorstRow:
    """An input over the runs of a leaderboard: its mean, and how many of them failed it."""

    row_digest: str
    mean_value: float
    model_count: int
    failed_count: int


@dataclass
class Facts:
    """All that was read. `runs` are in the order of their start; `runs_left_out` were older than those.

    `too_large` are the metrics of a run that hold numbers too large to compute with.
    """

    runs: list[ReportedRun] = field(default_factory=list)
    runs_left_out: int = 0
    scores: dict[str, dict[str, Score]] = field(default_factory=dict)
    too_large: dict[str, list[str]] = field(default_factory=dict)
    scorers: dict[str, list[str]] = field(default_factory=dict)
    scorer_changes: list[ScorerChange] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    flaky_rows: list[FlakyRow] = field(default_factory=list)
    missing_scores: list[MissingScore] = field(default_factory=list)
    failed_trials: list[FailedTrial] = field(default_factory=list)
    freshness: list[Freshness] = field(default_factory=list)

    def run(self, run_id: str) -> ReportedRun | None:
        """The run of that id, if it is among those that were read."""
        return self._by_id.get(run_id)

    @cached_property
    def _by_id(self) -> dict[str, ReportedRun]:
        return {run.run_id: run for run in self.runs}
