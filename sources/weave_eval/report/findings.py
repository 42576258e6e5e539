"""What stands out: the few sentences for someone who reads nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from .content import error_title, name
from .facts import FlakyRow, Freshness, MissingScore, ReportedRun
from .formats import ago, count, day, listed, minute
from .run_pairs import RunPair
from .series_breaks import SeriesBreak

Level = Literal["bad", "warn", "good", "note"]
_LEVELS: dict[Level, str] = {"bad": "Problem", "warn": "Check", "good": "Good", "note": "Note"}
_STALE = timedelta(days=3)


@dataclass(frozen=True)
class Finding:
    """A sentence with what it is about first, and the section of the page that tells more."""

    level: Level
    subject: str
    text: str
    section: str

    @property
    def word(self) -> str:
        """The level as a word, so that colour is not all there is."""
        return _LEVELS[self.level]


def of_freshness(found: Sequence[Freshness], now: datetime) -> Iterator[Finding]:
    """What is doubtful about the data itself."""
    for one in found:
        if one.last_error:
            text = f"The last load failed on {minute(one.last_failure_at)}: {error_title(one.last_error)}"
            yield Finding("bad", one.project_id, text, "data")
        if one.unreconciled_count:
            text = f"{count(one.unreconciled_count, 'run does', 'runs do')} not match what Weave reports."
            yield Finding("bad", one.project_id, text, "data")
        if one.last_sync_finished_at and now - one.last_sync_finished_at > _STALE:
            text = f"The last successful load was {ago(one.last_sync_finished_at, now)} this report."
            yield Finding("warn", one.project_id, text, "data")


def of_pairs(pairs: Sequence[RunPair]) -> Iterator[Finding]:
    """What became of the models that were compared."""
    for pair in pairs:
        if pair.outcome in ("same", "unclear"):
            continue
        level: Level = "good" if pair.outcome == "better" else "bad"
        subject = f"{pair.after.model} on {pair.after.evaluation_name}"
        against = f"{pair.badge} than {pair.before.model} in the run of {day(pair.after.started_at)}"
        if pair.outcome == "mixed":
            against = f"Better and worse than {pair.before.model} in the run of {day(pair.after.started_at)}"
        yield Finding(level, subject, f"{against}. {' '.join(pair.sentences[:2])}", "comparisons")


def of_runs(runs: Sequence[ReportedRun]) -> Iterator[Finding]:
    """Runs that failed, that have not ended, and answers that failed."""
    for run in _of_status(runs, "failed")[:3]:
        text = f"The run “{run.run_name}” of {day(run.started_at)} failed: {error_title(run.error)}"
        yield Finding("warn", f"{run.model} on {run.evaluation_name}", text, "errors")
    hidden = len(_of_status(runs, "failed")) - 3
    if hidden > 0:
        yield Finding("warn", "Failed runs", f"{count(hidden, 'more run')} failed.", "errors")
    failing = [run for run in runs if run.error_count]
    if failing:
        total = sum(run.error_count for run in failing)
        where = listed([f"“{run.run_name}”" for run in reversed(failing)], 3)
        text = f"{count(total, 'answer')} could not be given or scored, in {where}."
        yield Finding("warn", "Errors", text, "errors")
    for status, words in (("running", "has not ended; its numbers may still change"), ("abandoned", "never ended")):
        found = _of_status(runs, status)
        if found:
            more = f" The same goes for {count(len(found) - 1, 'other run')}." if len(found) > 1 else ""
            text = f"The run “{found[0].run_name}” of {day(found[0].started_at)} {words}.{more}"
            yield Finding("note", f"{found[0].model} on {found[0].evaluation_name}", text, "errors")


def _of_status(runs: Sequence[ReportedRun], status: str) -> list[ReportedRun]:
    return [run for run in reversed(runs) if run.status == status]


def of_changes(changes: Sequence[SeriesBreak]) -> Iterator[Finding]:
    """Versions of scorers and datasets that keep numbers from being compared."""
    for change in list(reversed(changes))[:4]:
        numbers = "its numbers" if change.scorer_name else "numbers"
        text = f"{change.title} since {day(change.at)}: {numbers} from before and after cannot be compared."
        yield Finding("note", change.evaluation[1], text, "changes")


def of_flaky_rows(rows: Sequence[FlakyRow]) -> Iterator[Finding]:
    """Inputs that a model gets right only sometimes."""
    if rows:
        models = listed(sorted({row.model_name for row in rows}), 3)
        inputs = len({(row.project_id, row.row_digest) for row in rows})
        text = (
            f"{count(inputs, 'input')} passed in some answers and failed in others with the same version of {models}."
        )
        yield Finding("note", "Flaky", text, "flaky")


def of_missing_scores(found: Sequence[MissingScore], runs: Sequence[ReportedRun]) -> Iterator[Finding]:
    """Scores that runs lack although they completed."""
    completed = {run.run_id: run for run in runs if run.status == "completed"}
    lacking = [one for one in found if one.run_id in completed]
    if lacking:
        names = sorted({f"“{completed[one.run_id].run_name}”" for one in lacking})
        metrics = listed(sorted({name(one.scorer_name) for one in lacking}), 3)
        text = f"Some answers have no score for {metrics}, in {listed(names, 3)}; the averages leave them out."
        yield Finding("note", "Missing scores", text, "errors")
