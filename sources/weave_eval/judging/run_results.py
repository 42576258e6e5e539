"""The trials and scores of a run as statistics want them: by row, without inputs and outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from .precision import is_computable, mean

MetricKind = Literal["pass_rate", "mean", "too_large", "text"]
"""What is made of a metric's scores: a share of passes, a mean, or nothing (of huge numbers, texts and lists)."""

ErrorsAs = Literal["failures", "ignored"]
"""What a trial that failed before it was scored counts as where passes are counted."""


class Metric(NamedTuple):
    """One leaf of one scorer's output. `path` is as in `scores.path`, empty for a bare value."""

    scorer_name: str
    path: str = ""

    @property
    def label(self) -> str:
        """The name to call it by: the scorer's, and the path where there is one, joined with a dot."""
        return f"{self.scorer_name}.{self.path}" if self.path else self.scorer_name


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run besides its trials. Times are UTC.

    `scorer_refs` are those of its evaluation's version, None if they are not known. `is_reconciled` is None if the
    run was not compared with what Weave says of it.
    """

    run_id: str
    project_id: str
    status: str
    started_at: datetime
    finished_at: datetime | None = None
    display_name: str | None = None
    evaluation_ref: str | None = None
    evaluation_name: str | None = None
    model_ref: str | None = None
    model_name: str | None = None
    url: str | None = None
    is_deleted: bool = False
    is_reconciled: bool | None = None
    dataset_ref: str | None = None
    scorer_refs: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The run in a few words: its model and its name, or the start of its id."""
        return f"{self.model_name or 'unnamed model'} ({self.display_name or self.run_id})"


@dataclass
class JudgedTrial:
    """One trial. `scores` hold true, false or a number; None stands for a text or list."""

    trial_id: str
    latency_seconds: float | None = None
    total_cost: float | None = None
    total_tokens: int | None = None
    is_error: bool = False
    scores: dict[Metric, bool | float | None] = field(default_factory=dict)


@dataclass
class RunResults:
    """A run with its trials by row digest, in each row in their order."""

    run: RunFacts
    rows: dict[str, list[JudgedTrial]]

    def trials(self) -> Iterator[JudgedTrial]:
        """All trials."""
        for trials in self.rows.values():
            yield from trials

    def metrics(self) -> list[Metric]:
        """The metrics that any trial has, by name."""
        return sorted({metric for trial in self.trials() for metric in trial.scores})

    def kind(self, metric: Metric) -> MetricKind:
        """`pass_rate` if every score is true or false, `mean` if there are numbers, else `text`.

        `too_large` if one of the numbers is too large to compute with.
        """
        values = [trial.scores.get(metric) for trial in self.trials()]
        known = [value for value in values if value is not None]
        if not known:
            return "text"
        if not all(map(is_computable, known)):
            return "too_large"
        return "pass_rate" if all(isinstance(value, bool) for value in known) else "mean"

    def row_values(
        self, metric: Metric, errors_as: ErrorsAs = "failures", error_value: float | None = None
    ) -> dict[str, float]:
        """The metric's value of each row: the mean of its trials, where true is 1; rows without a score are left out.

        A trial that failed and has no score counts as `error_value` where one is given, else as 0 of a pass rate,
        unless `errors_as` says that it is ignored.
        """
        if error_value is None and errors_as == "failures" and self.kind(metric) == "pass_rate":
            error_value = 0.0
        found: dict[str, float] = {}
        for digest, trials in self.rows.items():
            values = [value for trial in trials if (value := trial_value(trial, metric, error_value)) is not None]
            if values:
                found[digest] = mean(values)
        return found

    def missing(self, metric: Metric) -> list[JudgedTrial]:
        """The trials without a score of that metric."""
        return [trial for trial in self.trials() if metric not in trial.scores]

    def of_rows(self, digests: Collection[str]) -> RunResults:
        """The same run with these rows only."""
        return RunResults(self.run, {digest: trials for digest, trials in self.rows.items() if digest in digests})


def trial_value(trial: JudgedTrial, metric: Metric, error_value: float | None) -> float | None:
    """A trial's score as a number; `error_value` is that of a trial that failed without one."""
    value = trial.scores.get(metric)
    if value is None:
        return error_value if trial.is_error and metric not in trial.scores else None
    return float(value)


def is_score(value_type: str, value_number: float | None) -> bool:
    """Whether a row of `scores` holds a score: a null does not, nor a number that no double holds, such as NaN."""
    return value_type != "null" and not (value_type == "continuous" and value_number is None)


def judged_score(value_type: str, value_bool: bool | None, value_number: float | None) -> bool | float | None:  # noqa: FBT001 - a column
    """The score of a row of `scores`: true or false, a number, or None for a text or list."""
    if value_type == "binary":
        return bool(value_bool)
    return float(value_number) if value_type == "continuous" and value_number is not None else None


class Content(NamedTuple):
    """A row's input and what each run answered, by run id and in the order of the trials; any JSON values.

    The answer of a trial that failed without one is its error.
    """

    inputs: Any
    outputs: dict[str, list[Any]]


class RunSource(Protocol):
    """Where runs come from."""

    @property
    def place(self) -> str:
        """The place in words, for sentences."""

    def starting_with(self, prefix: str) -> list[RunFacts]:
        """The runs whose id starts so; one alone if it is the whole id."""

    def of_model(self, model_name: str, evaluation_name: str | None = None) -> list[RunFacts]:
        """The runs of a model (on an evaluation) that are not deleted, newest first."""

    def results(self, run: RunFacts) -> RunResults:
        """The trials of a run."""

    def contents(self, runs: Sequence[RunFacts], digests: Collection[str]) -> dict[str, Content]:
        """Inputs and outputs of some rows, by row digest."""
