"""Two runs compared: rows, trials and errors count as documented, whatever their order."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judging.runs import CORRECT, STYLE, Scores, a_run, passes
from weave_eval.judging.comparison import Comparison, PairedMetric, compare
from weave_eval.judging.run_results import JudgedTrial, Metric, RunResults

OTHER_STYLE = ("weave:///acme/bot/op/correct:d1", "weave:///acme/bot/object/style:d3")

score = st.sampled_from([True, False, None, "error"])
rows = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(score, min_size=1, max_size=3), max_size=8)


def metrics_of(found: Comparison) -> dict[str, PairedMetric]:
    return {metric.metric.label: metric for metric in found.metrics}


def compared(before: Mapping[str, Scores], after: Mapping[str, Scores], **options: Any) -> PairedMetric:
    (found,) = compare(a_run(before, "before"), a_run(after, "after"), **options).metrics
    return found


def test_rows_of_one_trial() -> None:
    found = compared(
        {"a": [True], "b": [True], "c": [False], "d": [True]}, {"a": [True], "b": [False], "c": [True], "d": [False]}
    )
    assert (found.wins, found.losses, found.ties, found.is_mcnemar) == (1, 2, 1, True)
    assert (found.baseline.value, found.candidate.value, found.difference.value) == (0.75, 0.5, -0.25)
    assert [change.row_digest for change in found.regressions] == ["b", "d"]
    assert found.sign_p_value == 1.0


def test_a_row_counts_once_however_many_trials_it_has() -> None:
    found = compared({"a": [True] * 9 + [False], "b": [True]}, {"a": [True], "b": [False, False]})
    assert (found.baseline.value, found.candidate.value) == (0.95, 0.5)
    assert (found.baseline.rows, found.wins, found.losses) == (2, 1, 1)
    assert not found.is_mcnemar
    assert [(change.baseline, change.candidate) for change in found.regressions] == [(1.0, 0.0)]


def test_a_trial_that_failed_is_a_failure_or_left_out() -> None:
    before: dict[str, Scores] = {"a": [True], "b": [True]}
    after: dict[str, Scores] = {"a": [True], "b": ["error"]}
    assert compared(before, after).candidate.value == 0.5
    ignored = compared(before, after, errors_as="ignored")
    assert (ignored.candidate.value, ignored.candidate.rows, ignored.missing) == (1.0, 1, (0, 1))


def test_a_failed_trial_that_has_the_score_keeps_it() -> None:
    run = RunResults(a_run().run, {"a": [JudgedTrial("t", is_error=True, scores={CORRECT: True})]})
    assert run.row_values(CORRECT) == {"a": 1.0}


def test_a_trial_that_failed_is_no_zero_of_a_mean() -> None:
    run = a_run({"a": [0.5, "error"], "b": ["error"]}, metric=STYLE)
    assert run.row_values(STYLE) == {"a": 0.5}


def test_numbers_may_be_better_when_lower() -> None:
    before, after = (a_run(rows, run_id, STYLE) for run_id, rows in (("x", {"a": [3.0]}), ("y", {"a": [5.0]})))
    (higher,) = compare(before, after).metrics
    (lower,) = compare(before, after, lower_is_better=["style.score"]).metrics
    assert (higher.wins, higher.losses, lower.wins, lower.losses) == (1, 0, 0, 1)
    assert higher.kind == "mean"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]),
        ([0.1 + 0.2], [0.3]),
        ([0.1, 0.2, -0.3], [-0.3, 0.1, 0.2]),
        ([1e16], [1e16 + 2]),
    ],
)
def test_what_only_rounding_tells_apart_is_the_same(before: list[float], after: list[float]) -> None:
    first, second = (
        a_run({f"row-{n}": values for n in range(6)}, run_id, STYLE) for run_id, values in (("x", before), ("y", after))
    )
    (found,) = compare(first, second).metrics
    assert (found.wins, found.losses, found.ties, found.regressions) == (0, 0, 6, [])
    assert (found.sign_p_value, found.t_p_value, found.difference.value) == (1.0, 1.0, 0.0)


def test_nothing_is_computed_of_a_metric_with_numbers_too_large_for_it() -> None:
    def scored(run_id: str, cost: float) -> RunResults:
        trials = [JudgedTrial(f"{run_id}{n}", 1.0, cost, scores={CORRECT: True, STYLE: 1.5e308}) for n in range(3)]
        return RunResults(a_run(run_id=run_id).run, {trial.trial_id[-1]: [trial] for trial in trials})

    found = compare(scored("x", 1e308), scored("y", 1e308))
    assert [*metrics_of(found)] == ["correct"]
    assert [obstacle.text for obstacle in found.obstacles] == [
        f"style.score has numbers of 1e+100 or more in {run_id}, too large to compute with." for run_id in "xy"
    ]
    latency, cost, _ = found.measurements
    assert (latency.baseline or {})["mean"] == 1.0
    assert (cost.baseline, cost.candidate, cost.difference) == (None, None, None)
    assert json.dumps(found.as_dict(), allow_nan=False)


def test_two_rows_do_not_make_a_difference_certain() -> None:
    first, second = (a_run({"a": [value], "b": [value]}, "x", STYLE) for value in (0.5, 0.7))
    (found,) = compare(first, second).metrics
    assert (found.sign_p_value, found.t_p_value) == (0.5, None)
    assert (found.difference.low, found.difference.high, found.detectable) == (None, None, None)


def test_texts_are_not_compared() -> None:
    text = RunResults(a_run().run, {"a": [JudgedTrial("t", scores={CORRECT: None})]})
    assert text.kind(CORRECT) == "text"
    assert compare(text, text).metrics == []


def test_only_rows_of_both_runs_are_compared() -> None:
    found = compare(a_run({"a": [True], "b": [False]}, "x"), a_run({"b": [True], "c": [True], "d": [True]}, "y"))
    assert (found.common_rows, found.only_in_baseline, found.only_in_candidate) == (1, ["a"], ["c", "d"])
    assert metrics_of(found)["correct"].difference.rows == 1
    assert [obstacle.text for obstacle in found.obstacles] == [
        "The datasets differ: 1 rows are in both runs, 1 only in x, 2 only in y."
    ]


def test_scorers_of_other_versions_are_named() -> None:
    before = a_run({"a": [1.0]}, "x", STYLE)
    found = compare(before, a_run({"a": [1.0]}, "y", STYLE, scorer_refs=OTHER_STYLE))
    assert [(obstacle.subject, obstacle.scorer) for obstacle in found.obstacles] == [("scorers", "style")]
    assert not metrics_of(found)["style.score"].is_same_scorer
    without = compare(a_run({"a": [True]}, "x"), a_run({"a": [True]}, "y", scorer_refs=OTHER_STYLE))
    assert without.obstacles == []


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"status": "running"}, "The run y has not ended."),
        ({"status": "failed"}, "The run y failed before it finished."),
        ({"status": "abandoned"}, "The run y never ended and was abandoned."),
        ({"is_deleted": True}, "The run y was deleted in Weave."),
        ({"is_reconciled": False}, "The run y does not match what Weave reports."),
        ({"is_reconciled": None}, "The run y has not been compared with what Weave reports."),
    ],
)
def test_what_is_doubtful_about_a_run_is_said(changed: dict[str, Any], text: str) -> None:
    found = compare(a_run(passes(2), "x"), a_run(passes(2), "y", **changed))
    assert [obstacle.text for obstacle in found.obstacles] == [text]


def test_flaky_rows_are_those_whose_trials_disagree() -> None:
    before = a_run({"a": [True, False, "error"], "b": [True, True], "c": [True, None]}, "x")
    found = compare(before, a_run({"a": [True]}, "y"))
    assert found.flaky_rows == {"x": {"correct": ["a"]}, "y": {}}


def test_times_and_costs_are_compared() -> None:
    def timed(run_id: str, *seconds: float) -> RunResults:
        trials = {f"row-{number}": [JudgedTrial(f"{number}", value)] for number, value in enumerate(seconds)}
        return RunResults(a_run(run_id=run_id).run, trials)

    latency, cost, _ = compare(timed("x", 1.0, 2.0, 6.0), timed("y", 2.0, 2.0, 8.0)).measurements
    assert latency.baseline == {"trials": 3, "total": 9.0, "mean": 3.0, "p50": 2.0, "p95": pytest.approx(5.6)}
    assert latency.candidate is not None
    assert latency.difference is not None
    assert (latency.candidate["mean"], latency.difference.value) == pytest.approx((4.0, 1.0))
    assert (cost.name, cost.baseline, cost.difference) == ("total_cost", None, None)


@given(rows, rows)
def test_swapped_runs_swap_the_outcome(before: dict[str, Any], after: dict[str, Any]) -> None:
    there, back = (
        metrics_of(compare(a_run(first, "x"), a_run(second, "y")))
        for first, second in ((before, after), (after, before))
    )
    assert there.keys() == back.keys()
    for label, metric in there.items():
        other = back[label]
        assert (metric.wins, metric.losses, metric.ties) == (other.losses, other.wins, other.ties)
        assert metric.sign_p_value == pytest.approx(other.sign_p_value)
        assert metric.difference.value == pytest.approx(-other.difference.value)
        assert 0 <= metric.sign_p_value <= 1
        assert metric.wins + metric.losses + metric.ties == metric.difference.rows


@given(rows, rows, st.randoms())
def test_the_order_of_rows_and_trials_does_not_matter(
    before: dict[str, Any], after: dict[str, Any], chance: random.Random
) -> None:
    first, second = a_run(before, "x"), a_run(after, "y")
    mixed = [RunResults(run.run, shuffled(run.rows, chance)) for run in (first, second)]
    assert compare(*mixed).as_dict() == compare(first, second).as_dict()


def shuffled(rows: dict[str, list[JudgedTrial]], chance: random.Random) -> dict[str, list[JudgedTrial]]:
    digests = chance.sample(sorted(rows), len(rows))
    return {digest: chance.sample(rows[digest], len(rows[digest])) for digest in digests}


@given(rows)
def test_a_run_does_not_differ_from_itself(scores: dict[str, Any]) -> None:
    found = compare(a_run(scores, "x"), a_run(scores, "y"))
    assert found.obstacles == []
    for metric in found.metrics:
        assert (metric.wins, metric.losses, metric.regressions) == (0, 0, [])
        assert (metric.sign_p_value, metric.t_p_value, metric.difference.value) == (1.0, 1.0, 0.0)


def test_a_metric_is_called_by_scorer_and_path() -> None:
    assert (Metric("tone", "tone.score").label, Metric("correct").label) == ("tone.tone.score", "correct")
