"""Runs made up for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from weave_eval.judging.run_results import JudgedTrial, Metric, RunFacts, RunResults

CORRECT = Metric("correct")
STYLE = Metric("style", "score")

Scores = Sequence["bool | float | str | None"]
"""A score for each trial of a row; None for a trial without one, `error` for one that failed."""

SCORERS = ("weave:///acme/bot/op/correct:d1", "weave:///acme/bot/object/style:d2")


def facts(run_id: str = "run-a", **changed: Any) -> RunFacts:
    made = RunFacts(
        run_id=run_id,
        project_id="acme/bot",
        status="completed",
        started_at=datetime(2026, 11, 1, tzinfo=timezone.utc),
        evaluation_name="faq",
        model_name="bot",
        is_reconciled=True,
        scorer_refs=SCORERS,
    )
    return replace(made, **changed)


def days_later(days: int) -> datetime:
    return datetime(2026, 11, 1, tzinfo=timezone.utc) + timedelta(days=days)


def a_run(
    rows: Mapping[str, Scores] | None = None, run_id: str = "run-a", metric: Metric = CORRECT, **changed: Any
) -> RunResults:
    """A run of one metric; `rows` has the scores of each row's trials."""
    made = {
        digest: [_trial(f"{run_id}-{digest}-{number}", metric, score) for number, score in enumerate(scores)]
        for digest, scores in (rows or {}).items()
    }
    return RunResults(facts(run_id, **changed), made)


def _trial(trial_id: str, metric: Metric, score: bool | float | str | None) -> JudgedTrial:
    trial = JudgedTrial(trial_id, is_error=score == "error")
    if score is not None and not isinstance(score, str):
        trial.scores[metric] = score
    return trial


def passes(true: int, false: int = 0) -> dict[str, Scores]:
    """Rows of one trial each, the first of which pass."""
    return {f"row-{number:03}": [number < true] for number in range(true + false)}
