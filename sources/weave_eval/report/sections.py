"""The parts of the page, made from the facts: texts and drawings, ready for the template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urlsplit

from markupsafe import Markup

from ..judging.run_results import Content, RunFacts
from ..warehouse.judged_runs import WarehouseRuns
from . import charts
from .content import Excerpt, ShownField, TextBudget, error_title, name, title
from .evaluations import Entry, Evaluation, ReportedMetric
from .facts import Facts, FlakyRow, ReportedRun, Score, WorstRow
from .formats import NOTHING, count, day, listed, number, percent, quality
from .series_breaks import SeriesBreak
from .view_queries import ViewQueries

MOST_METRICS = 4
MOST_ENTRIES = 30
MOST_TABLE_RUNS = 50
MOST_TREND_RUNS = 120
MOST_HARD_ROWS = 8
MOST_FLAKY_ROWS = 20
MOST_ANSWERS = 6


@dataclass(frozen=True)
class Bar:
    """An interval as a drawing of 100 by 10: where it starts and ends, and where the value is."""

    low: float
    high: float
    value: float

    @property
    def width(self) -> float:
        """The width of the interval."""
        return round(self.high - self.low, 1)


@dataclass(frozen=True)
class LeaderboardLine:
    """A line of the leaderboard."""

    entry: Entry
    value: str
    interval: str
    bar: Bar
    others: list[str]


@dataclass(frozen=True)
class Figure:
    """A chart: for narrow places, and for wide ones where it has such a form."""

    title: str
    narrow: Markup
    wide: Markup | None = None


@dataclass(frozen=True)
class RunOutputs:
    """What one run answered to an input."""

    heading: str
    outputs: list[list[ShownField]]


@dataclass(frozen=True)
class Example:
    """An input with what is remarkable about it, and answers to it."""

    title: str
    remark: str
    inputs: list[ShownField]
    answers: list[RunOutputs]


@dataclass(frozen=True)
class FlakyExample:
    """An input that one model passes only sometimes."""

    row: FlakyRow
    version: str
    example: Example


@dataclass(frozen=True)
class RunLine:
    """A line of the table of runs."""

    run: ReportedRun
    url: str | None
    values: list[str]


@dataclass(frozen=True)
class EvaluationSection:
    """What the page says of one evaluation."""

    anchor: str
    evaluation: Evaluation
    about: str
    metrics: list[ReportedMetric]
    leaderboard: list[LeaderboardLine]
    figures: list[Figure]
    frontier: list[Figure]
    hard_rows: list[Example]
    lines: list[RunLine]
    notes: list[str]


@dataclass(frozen=True)
class Failure:
    """Something that failed: a run, or an answer in a run."""

    run: ReportedRun
    what: str
    title: str
    error: Excerpt | None


@dataclass(frozen=True)
class Gap:
    """Scores that a run lacks."""

    run: ReportedRun
    metrics: str
    missing: str
    strict: str


class SectionMaker:
    """Makes the parts of the page, reading inputs and outputs where they are shown."""

    def __init__(
        self, facts: Facts, reader: ViewQueries | None, source: WarehouseRuns, budget: TextBudget, key: charts.Key
    ):
        self.facts = facts
        self._reader = reader
        self._source = source
        self.budget = budget
        self.key = key

    def evaluation(self, place: int, one: Evaluation, changes: Sequence[SeriesBreak]) -> EvaluationSection:
        """The part of an evaluation; `changes` are its own."""
        metrics = one.metrics[:MOST_METRICS]
        return EvaluationSection(
            anchor=f"evaluation-{place}",
            evaluation=one,
            about=self._about(one),
            metrics=metrics,
            leaderboard=self._leaderboard(one.entries[:MOST_ENTRIES], metrics),
            figures=list(self._figures(one, metrics, changes)),
            frontier=self._frontier(one),
            hard_rows=self._hard_rows(one),
            lines=[self._line(run, metrics) for run in reversed(one.runs[-MOST_TABLE_RUNS:])],
            notes=list(self._notes(one)),
        )

    def _about(self, one: Evaluation) -> str:
        days = list(dict.fromkeys(day(run.started_at) for run in (one.runs[0], one.runs[-1])))
        sizes = [run.row_count for run in one.runs if run.is_full]
        scorers = sorted(set(chain.from_iterable(self.facts.scorers.get(run.run_id, []) for run in one.runs)))
        parts = [f"{count(len(one.runs), 'run')}, {' to '.join(days)}"]
        parts += [f"{count(sizes[-1], 'input')}"] if sizes else []
        parts += [f"scored by {listed([name(scorer) for scorer in scorers])}"] if scorers else []
        return " · ".join(parts)

    def _leaderboard(self, entries: Sequence[Entry], metrics: Sequence[ReportedMetric]) -> list[LeaderboardLine]:
        if not entries:
            return []
        lead = metrics[0]
        low = 0.0 if lead.is_binary else min(entry.score.reach[0] for entry in entries)
        high = 1.0 if lead.is_binary else max(entry.score.reach[1] for entry in entries)
        return [
            LeaderboardLine(
                entry=entry,
                value=quality(entry.score.value, is_binary=lead.is_binary),
                interval=interval(entry.score, is_binary=lead.is_binary),
                bar=_bar(entry.score, low, high),
                others=[self.value(entry.run, metric) for metric in metrics[1:]],
            )
            for entry in entries
        ]

    def value(self, run: ReportedRun, metric: ReportedMetric) -> str:
        """A metric of a run as text."""
        score = self._score(run, metric)
        return quality(score.value, is_binary=metric.is_binary) if score else NOTHING

    def _score(self, run: ReportedRun, metric: ReportedMetric) -> Score | None:
        return self.facts.scores.get(run.run_id, {}).get(metric.label)

    def _line(self, run: ReportedRun, metrics: Sequence[ReportedMetric]) -> RunLine:
        return RunLine(run, web_address(run.url), [self.value(run, metric) for metric in metrics])

    def _figures(
        self, one: Evaluation, metrics: Sequence[ReportedMetric], changes: Sequence[SeriesBreak]
    ) -> Iterator[Figure]:
        """The metrics over time, the leading one also wide; none where there is a single run."""
        drawn = [run for run in one.runs if run.status == "completed" and run.model_name in self.key.models]
        for metric in metrics:
            scored = [(run, score) for run in drawn if (score := self._score(run, metric))][-MOST_TREND_RUNS:]
            if len(scored) < 2:
                continue
            first = scored[0][0].started_at
            marks = [change for change in changes if change.concerns(metric.scorer_name) and change.at >= first]
            widths = (charts.NARROW, charts.WIDE) if metric == one.lead else (charts.NARROW,)
            shapes = [Markup(charts.trend(metric, scored, marks, self.key, width)) for width in widths]  # noqa: S704 - made by svg
            yield Figure(name(metric.label), *shapes)

    def _frontier(self, one: Evaluation) -> list[Figure]:
        """Quality against cost and against time, where two models at least have both."""
        entries = [e for e in one.entries if e.is_on_frontier is not None and e.run.model_name in self.key.models]
        if len(entries) < 2 or not one.lead:
            return []
        merits: tuple[charts.Merit, ...] = ("cost", "time")
        return [
            Figure(f"{name(one.lead.label)} and {merit}", Markup(charts.frontier(one.lead, entries, self.key, merit)))  # noqa: S704 - made by svg
            for merit in merits
        ]

    def _hard_rows(self, one: Evaluation) -> list[Example]:
        """The inputs with the lowest mean over the leaderboard, with what the best of it answered."""
        if not (one.entries and one.lead and self._reader):
            return []
        runs = [entry.run for entry in one.entries[:MOST_ANSWERS]]
        rows = self._reader.worst_rows([entry.run.run_id for entry in one.entries], one.lead.label, MOST_HARD_ROWS)
        digests = [row.row_digest for row in rows]
        contents = self._contents(runs, digests)
        values = self._reader.row_values([run.run_id for run in runs], one.lead.label, digests) if digests else {}
        return [
            self._example(
                contents.get(row.row_digest),
                [(run, f"{run.model}: {_outcome(values.get((run.run_id, row.row_digest)), one.lead)}") for run in runs],
                _remark(row, one.lead),
            )
            for row in rows
        ]

    def flaky(self, rows: Sequence[FlakyRow]) -> list[FlakyExample]:
        """The inputs that a model passes only sometimes, the most uncertain first."""
        found = []
        for row in rows[:MOST_FLAKY_ROWS]:
            scored = [run for run in self.facts.runs if run.model_id == row.model_id]
            runs = [run for run in scored if row.metric in self.facts.scores.get(run.run_id, {})][-MOST_ANSWERS:]
            content = self._contents(runs, [row.row_digest]).get(row.row_digest)
            answering = [
                (run, f"{run.run_name} · {day(run.started_at)}")
                for run in runs
                if content and content.outputs.get(run.run_id)
            ]
            remark = f"{row.pass_count} of {count(row.scored_count, 'answer')} passed"
            found.append(
                FlakyExample(row, runs[-1].model if runs else row.model_name, self._example(content, answering, remark))
            )
        return found

    def _contents(self, runs: Sequence[ReportedRun], digests: Sequence[str]) -> dict[str, Content]:
        known = [RunFacts(run.run_id, run.project_id, run.status, run.started_at) for run in runs]
        return self._source.contents(known, digests) if known and digests else {}

    def _example(self, content: Content | None, runs: Sequence[tuple[ReportedRun, str]], remark: str) -> Example:
        inputs = content.inputs if content else None
        outputs = content.outputs if content else {}
        answers = [
            RunOutputs(heading, [self.budget.fields(output) for output in outputs.get(run.run_id, [])[:MOST_ANSWERS]])
            for run, heading in runs
        ]
        return Example(title(inputs), remark, self.budget.fields(inputs), answers)

    def failures(self) -> Iterator[Failure]:
        """Runs that failed, and answers that failed; the newest first."""
        for run in reversed(self.facts.runs):
            if run.status in ("failed", "abandoned"):
                whole = self.budget.excerpt(run.error) if run.error else None
                yield Failure(run, "the run", error_title(run.error) if run.error else "it never ended", whole)
        for trial in reversed(self.facts.failed_trials):
            run_ = self.facts.run(trial.run_id)
            if run_:
                content = self._contents([run_], [trial.row_digest]).get(trial.row_digest)
                what = title(content.inputs) if content else "an input"
                yield Failure(run_, what, error_title(trial.error), self.budget.excerpt(trial.error or ""))

    def gaps(self) -> Iterator[Gap]:
        """The runs that lack scores, the newest first; metrics with as many missing share a line."""
        for run in reversed(self.facts.runs):
            missing = [
                one for one in self.facts.missing_scores if one.run_id == run.run_id and run.status == "completed"
            ]
            for lacking in sorted({one.missing_count for one in missing}, reverse=True):
                alike = [one for one in missing if one.missing_count == lacking]
                strict = [
                    f"{name(one.metric)}: {percent(one.pass_rate)} → {percent(one.strict_pass_rate)}"
                    for one in alike
                    if one.pass_rate is not None
                ]
                metrics = listed([name(one.metric) for one in alike])
                yield Gap(run, metrics, f"{lacking} of {alike[0].expected_trial_count}", ", ".join(strict) or NOTHING)

    def _notes(self, one: Evaluation) -> Iterator[str]:
        """What the charts and tables of an evaluation leave out."""
        undrawn = [run for run in one.runs if run.status != "completed"]
        if undrawn and one.lead:
            words = ", ".join(f"“{run.run_name}” ({run.status})" for run in undrawn[-3:])
            more = f" and {len(undrawn) - 3} more" if len(undrawn) > 3 else ""
            yield f"Not in the charts, because they did not complete: {words}{more}."
        partial = [run for run in one.runs if run.status == "completed" and not run.is_full]
        if partial:
            words = listed([f"“{run.run_name}” of {day(run.started_at)}" for run in partial[-3:]], 3)
            yield f"Shown as hollow points and not ranked, because they cover only some of the inputs: {words}."
        crashed = [run for run in one.full_runs if run.has_mostly_failed]
        if crashed:
            words = listed([f"“{run.run_name}” of {day(run.started_at)}" for run in crashed[-3:]], 3)
            yield f"Not ranked, because more than half of their answers failed: {words}."
        large = sorted({label for run in one.runs for label in self.facts.too_large.get(run.run_id, ())})
        if large:
            yield f"Left out where they hold numbers too large to compute with: {listed([name(m) for m in large], 8)}."
        others = sorted({run.model_name for run in one.runs} - set(self.key.models))
        if others:
            yield f"Models with fewer runs are not in the charts: {listed(others, 8)}."
        if len(one.metrics) > MOST_METRICS:
            yield f"Further metrics are left out: {listed([name(m.label) for m in one.metrics[MOST_METRICS:]], 8)}."
        if len(one.runs) > MOST_TABLE_RUNS:
            yield f"The table shows the newest {MOST_TABLE_RUNS} of {len(one.runs)} runs."


def interval(score: Score, *, is_binary: bool) -> str:
    """The 95 % interval as text."""
    if score.low is None or score.high is None:
        return NOTHING
    if is_binary:
        return f"{round(100 * score.low)} to {round(100 * score.high)}"
    return f"{number(score.low)} to {number(score.high)}"


def _bar(score: Score, low: float, high: float) -> Bar:
    span = (high - low) or 1.0
    places = [round(100 * (each - low) / span, 1) for each in (*score.reach, score.value)]
    return Bar(*places)


def _remark(row: WorstRow, metric: ReportedMetric) -> str:
    if not metric.is_binary:
        return f"mean {number(row.mean_value)}"
    return f"failed by {row.failed_count} of {count(row.model_count, 'model')}"


def _outcome(value: float | None, metric: ReportedMetric) -> str:
    """What became of an input in a run."""
    if value is None:
        return "no score"
    if metric.is_binary:
        return {0.0: "failed", 1.0: "passed"}.get(value, f"{percent(value)} passed")
    return number(value)


def web_address(url: str | None) -> str | None:
    """The address if it is one of the web; anything else is not for a link."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None
