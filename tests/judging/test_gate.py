"""Runs judged by rules: what passes, what is blocked, and what cannot be judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judging.runs import CORRECT, STYLE, Scores, a_run, passes
from weave_eval.judging.decision_reports import junit, markdown
from weave_eval.judging.gate import Check, Decision, judge
from weave_eval.judging.rules import parse_rules
from weave_eval.judging.run_results import JudgedTrial, RunResults


def rule(measure: str, *lines: str, metric: str | None = "correct") -> str:
    named = [f'metric = "{metric}"'] if metric else []
    return "\n".join(["[[rules]]", f'measure = "{measure}"', *named, *lines])


def judged(rules: str, run: RunResults, baseline: RunResults | None = None) -> Decision:
    return judge(parse_rules(rules, "gate.toml"), run, baseline)


def check(rules: str, run: RunResults, baseline: RunResults | None = None) -> Check:
    (found,) = judged(rules, run, baseline).checks
    return found


def timed(run_id: str, *seconds: float | None) -> RunResults:
    """A run of one trial a row; the costs are a hundredth of the latencies."""
    trials = [
        JudgedTrial(f"{run_id}-{number}", value, value and value / 100, scores={CORRECT: True})
        for number, value in enumerate(seconds)
    ]
    return RunResults(a_run(run_id=run_id).run, {f"row-{number}": [trial] for number, trial in enumerate(trials)})


FOUR_OF_FIVE = a_run(passes(4, 1))
MEANS = a_run({"a": [1.0], "b": [4.0]}, metric=STYLE)


@pytest.mark.parametrize(
    ("rules", "run", "outcome", "value"),
    [
        (rule("pass_rate", "min = 0.8"), FOUR_OF_FIVE, "passed", 0.8),
        (rule("pass_rate", "min = 0.81"), FOUR_OF_FIVE, "failed", 0.8),
        (rule("pass_rate", "max = 0.7"), FOUR_OF_FIVE, "failed", 0.8),
        (rule("mean", "min = 2.5", metric="style.score"), MEANS, "passed", 2.5),
        (rule("mean", "max = 2.4", metric="style.score"), MEANS, "failed", 2.5),
        (rule("flaky_rows", "max = 0"), a_run({"a": [True, False], "b": [True]}), "failed", 1),
        (rule("flaky_rows", "max = 1"), a_run({"a": [True, False], "b": [True]}), "passed", 1),
        (rule("missing_score_rate", "max = 0.2"), a_run({"a": [True, None], "b": [True]}), "failed", 0.25),
        (rule("error_rate", "max = 0.5", metric=None), a_run({"a": ["error", True], "b": [True]}), "passed", 0.25),
        (rule("latency_mean", "max = 2.9", metric=None), timed("x", 1, 2, 6), "failed", 3),
        (rule("latency_p50", "max = 2", metric=None), timed("x", 1, 2, 6), "passed", 2),
        (rule("latency_p95", "max = 5", metric=None), timed("x", 1, 2, 6), "failed", 5.6),
        (rule("cost_mean", "max = 0.03", metric=None), timed("x", 1, 2, 6), "passed", 0.03),
        (rule("cost_total", "max = 0.08", metric=None), timed("x", 1, 2, 6), "failed", 0.09),
        (rule("rows", "min = 5", metric=None), FOUR_OF_FIVE, "passed", 5),
    ],
)
def test_bounds_of_a_run(rules: str, run: RunResults, outcome: str, value: float) -> None:
    found = check(rules, run)
    assert found.outcome == outcome
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("rules", "run", "baseline", "outcome", "value"),
    [
        (rule("pass_rate", "max_drop = 0.2"), a_run(passes(3, 2)), FOUR_OF_FIVE, "passed", -0.2),
        (rule("pass_rate", "max_drop = 0.19"), a_run(passes(3, 2)), FOUR_OF_FIVE, "failed", -0.2),
        (rule("pass_rate", "max_drop = 0"), a_run(passes(5)), FOUR_OF_FIVE, "passed", 0.2),
        (rule("pass_rate", "max_rise = 0.1"), a_run(passes(5)), FOUR_OF_FIVE, "failed", 0.2),
        (rule("regressions", "max = 1"), a_run(passes(3, 2)), FOUR_OF_FIVE, "passed", 1),
        (rule("regressions", "max = 0"), a_run(passes(3, 2)), FOUR_OF_FIVE, "failed", 1),
        (rule("error_rate", "max_rise = 0.5", metric=None), a_run({"a": ["error"]}), a_run({"a": [True]}), "failed", 1),
        (rule("latency_mean", "max_rise = 1", metric=None), timed("y", 2, 2, 8), timed("x", 1, 2, 6), "passed", 1),
        (rule("latency_mean", "max_rise_percent = 33", metric=None), timed("y", 4), timed("x", 3), "failed", 100 / 3),
        (rule("latency_p50", "max_drop = 1", metric=None), timed("y", 1, 1), timed("x", 3, 3), "failed", -2),
        (rule("cost_total", "max_rise_percent = 50", metric=None), timed("y", 3), timed("x", 2), "passed", 50),
    ],
)
def test_bounds_against_a_baseline(
    rules: str, run: RunResults, baseline: RunResults, outcome: str, value: float
) -> None:
    found = check(rules, run, baseline)
    assert found.outcome == outcome
    assert found.value == pytest.approx(value)


def test_rows_that_broke_a_rule_are_named() -> None:
    found = check(rule("regressions", "max = 0"), a_run(passes(2, 3)), FOUR_OF_FIVE)
    assert found.row_digests == ("row-002", "row-003")
    assert found.text == "regressions correct is 2 on 5 rows; it breaks max = 0."


def test_a_number_may_get_worse_within_its_tolerance() -> None:
    before, after = (a_run({"a": [value], "b": [2.0]}, metric=STYLE) for value in (1.0, 1.2))
    assert check(rule("regressions", "max = 0", "better = 'lower'", metric="style.score"), after, before).value == 1
    tolerant = rule("regressions", "max = 0", "better = 'lower'", "tolerance = 0.25", metric="style.score")
    assert check(tolerant, after, before).value == 0


@pytest.mark.parametrize(("before", "after", "tolerance"), [(0.8, 0.7, 0.1), (0.3, 0.1 + 0.1 + 0.1 - 1e-17, 0)])
def test_rounding_is_no_regression(before: float, after: float, tolerance: float) -> None:
    first, second = (a_run({"a": [value]}, metric=STYLE) for value in (before, after))
    rules = rule("regressions", "max = 0", f"tolerance = {tolerance}", metric="style.score")
    assert check(rules, second, first).value == 0


@pytest.mark.parametrize(
    ("before", "after", "bound"),
    [(0.96, 0.91, "max_drop = 0.05"), (1e7 + 0.3, 1e7 + 0.1, "max_drop = 0.2"), (1e6, 1.1e6, "max_rise_percent = 10")],
)
def test_rounding_breaks_no_limit(before: float, after: float, bound: str) -> None:
    first, second = (a_run({"a": [value]}, metric=STYLE) for value in (before, after))
    assert check(rule("mean", bound, metric="style.score"), second, first).outcome == "passed"


def test_failed_trials_are_failures_unless_they_are_ignored() -> None:
    run = a_run({"a": [True], "b": ["error"]})
    rules = rule("pass_rate", "min = 0.9")
    assert check(rules, run).outcome == "failed"
    found = check(f'count_errors_as = "ignored"\n{rules}', run)
    assert (found.outcome, found.rows) == ("passed", 1)
    assert "on 1 of 2 rows" in found.text


CRASHED = a_run({**{f"row-{n}": ["error"] for n in range(8)}, "x": [0.9], "y": [1.0]}, metric=STYLE)


def test_a_mean_of_the_trials_that_did_not_fail_is_no_pass() -> None:
    rules = rule("mean", "min = 0.8", metric="style.score")
    found = check(rules, CRASHED)
    assert found.outcome == "not_judged"
    assert (
        "8 of 10 trials of the run run-a failed without it. Say what they count as with error_value, or" in found.text
    )
    ignored = check(f'count_errors_as = "ignored"\n{rules}', CRASHED)
    assert (ignored.outcome, ignored.value, ignored.rows) == ("passed", 0.95, 2)
    counted = check(rule("mean", "min = 0.8", "error_value = 0", metric="style.score"), CRASHED)
    assert (counted.outcome, counted.rows) == ("failed", 10)
    assert counted.value == pytest.approx(0.19)


def test_a_trial_that_failed_may_be_a_regression() -> None:
    before = a_run({digest: [0.9] for digest in CRASHED.rows}, "x", STYLE)
    assert check(rule("regressions", "max = 0", metric="style.score"), CRASHED, before).outcome == "not_judged"
    counted = check(rule("regressions", "max = 0", "error_value = 0", metric="style.score"), CRASHED, before)
    assert (counted.outcome, counted.value) == ("failed", 8)


@pytest.mark.parametrize("measure", ["latency_mean", "latency_p50", "latency_p95", "cost_mean", "cost_total"])
def test_what_few_trials_tell_is_not_judged(measure: str) -> None:
    found = check(rule(measure, "max = 9", metric=None), timed("x", 1, *[None] * 2))
    assert found.outcome == "not_judged"
    assert "only 1 of 3 trials of the run x have a " in found.text


HUGE = {"a": [1.5e308], "b": [1.5e308], "c": [-1.5e308], "d": [1.0]}


@pytest.mark.parametrize("measure", ["mean", "regressions"])
def test_numbers_too_large_to_compute_with_are_not_judged(measure: str) -> None:
    bounds = "max = 1e300"
    run, baseline = a_run(HUGE, metric=STYLE), a_run({digest: [1.0] for digest in HUGE}, "x", STYLE)
    rules = "\n".join([rule(measure, bounds, metric="style.score"), rule("rows", "min = 4", metric=None)])
    decision = judged(rules, run, baseline)
    huge, rows = decision.checks
    assert (huge.outcome, rows.outcome) == ("not_judged", "passed")
    assert "style.score has numbers of 1e+100 or more in run-a, too large to compute with." in huge.text
    assert json.loads(json.dumps(decision.as_dict(), allow_nan=False))
    assert decision.notes == ["style.score has numbers of 1e+100 or more in run-a, too large to compute with."]


def test_costs_too_large_to_compute_with_are_not_judged() -> None:
    found = check(rule("cost_total", "max = 1", metric=None), timed("x", 1e308, 1e308, 1e308))
    assert "has a cost of 1e+100 or more" in check(rule("cost_total", "max = 1", metric=None), timed("x", 1e308)).text
    assert found.outcome == "not_judged"


def test_with_confidence_rows_without_spread_are_not_judged() -> None:
    sure = rule("mean", "min = 0.95", "confidence = 0.95", metric="style.score")
    two = a_run({"a": [1.0], "b": [1.0]}, metric=STYLE)
    assert "2 rows without any difference do not say how far others would be from them." in check(sure, two).text
    against = rule("mean", "max_drop = 0.1", "confidence = 0.95", metric="style.score")
    assert check(against, two, a_run({"a": [1.2], "b": [1.2]}, "x", STYLE)).outcome == "not_judged"
    assert check(rule("mean", "min = 0.95", metric="style.score"), two).outcome == "passed"


def test_with_confidence_the_interval_decides() -> None:
    """Wilson's interval of 19 of 20 begins at 0.7639; of 20 rows that are the same, the difference's at -0.1260."""
    run = a_run(passes(19, 1))
    assert check(rule("pass_rate", "min = 0.76", "confidence = 0.95"), run).outcome == "passed"
    assert check(rule("pass_rate", "min = 0.77", "confidence = 0.95"), run).outcome == "failed"
    assert check(f"confidence = 0.99\n{rule('pass_rate', 'min = 0.76')}", run).outcome == "failed"
    same = rule("pass_rate", "max_drop = 0.12", "confidence = 0.95")
    found = check(same, run, replace(run, run=replace(run.run, run_id="earlier")))
    assert (found.outcome, found.value) == ("failed", 0.0)
    assert found.low == pytest.approx(-0.125991, abs=1e-6)
    assert "its lower end breaks max_drop = 0.12" in found.text


def test_with_confidence_a_rise_is_bounded_from_above() -> None:
    baseline, run = timed("x", 1.0, 2.0, 3.0), timed("y", 1.1, 2.3, 3.2)
    assert check(rule("latency_mean", "max_rise = 0.25", metric=None), run, baseline).outcome == "passed"
    assert (
        check(rule("latency_mean", "max_rise = 0.25", "confidence = 0.9", metric=None), run, baseline).outcome
        == "failed"
    )


def test_what_could_have_been_detected_is_told() -> None:
    found = check(rule("pass_rate", "max_drop = 0.5"), a_run(passes(20, 5)), a_run(passes(25), "x"))
    assert found.detectable == pytest.approx(0.265761, abs=1e-6)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": "running"}, "The run run-a has not ended."),
        ({"status": "failed"}, "The run run-a failed before it finished."),
        ({"is_deleted": True}, "The run run-a was deleted in Weave."),
        ({"is_reconciled": False}, "The run run-a does not match what Weave reports."),
        ({"is_reconciled": None}, "The run run-a has not been compared with what Weave reports."),
    ],
)
def test_a_run_that_cannot_be_trusted_is_not_judged(changed: dict[str, Any], reason: str) -> None:
    found = judged(rule("pass_rate", "min = 0.9"), a_run(passes(1, 9), **changed))
    assert (found.verdict, found.reason, found.checks) == ("not_judged", reason, [])


def test_a_run_without_trials_is_not_judged() -> None:
    found = judged(rule("error_rate", "max = 1", metric=None), a_run({}))
    assert (found.verdict, found.reason) == ("not_judged", "The run run-a has no trials.")


OTHER: Mapping[str, Scores] = {"row-000": [True], "another": [True]}


@pytest.mark.parametrize(
    ("rules", "run", "baseline", "reason"),
    [
        (rule("pass_rate", "min = 1", metric="corect"), FOUR_OF_FIVE, None, "no metric 'corect'; its metrics are:"),
        (rule("pass_rate", "min = 1", metric="style.score"), MEANS, None, "style.score is a number, which"),
        (rule("mean", "min = 1"), FOUR_OF_FIVE, None, "correct is true or false, which mean cannot be computed from."),
        (rule("pass_rate", "max_drop = 1"), FOUR_OF_FIVE, None, "it needs a baseline, and none was given."),
        (rule("regressions", "max = 9"), FOUR_OF_FIVE, None, "it needs a baseline, and none was given."),
        (rule("pass_rate", "max_drop = 1"), FOUR_OF_FIVE, a_run(OTHER, "x"), "The datasets differ: 1 rows are in both"),
        (rule("pass_rate", "max_drop = 1"), FOUR_OF_FIVE, a_run(passes(5), "x", status="running"), "has not ended."),
        (
            rule("mean", "max_drop = 9", metric="style.score"), MEANS,
            a_run({"a": [2.0], "b": [3.0]}, "x", STYLE, scorer_refs=("weave:///acme/bot/object/style:d9",)),
            "The scorer 'style' has another version",
        ),
        (rule("latency_p95", "max = 9", metric=None), FOUR_OF_FIVE, None, "no trial of the run run-a has a latency."),
        (rule("cost_total", "max = 9", metric=None), timed("x", 1, None), None, "1 trials of the run x lack a cost."),
        (rule("mean", "min = 1", "confidence = 0.9", metric="style.score"), a_run({"a": [2.0]}, metric=STYLE), None,
         "1 rows are too few for an interval."),
        (rule("latency_mean", "max_rise_percent = 9", metric=None), timed("x", 1), timed("y", 0.0), "value is 0, so"),
    ],
)  # fmt: skip
def test_what_a_rule_lacks_is_no_pass(rules: str, run: RunResults, baseline: RunResults | None, reason: str) -> None:
    decision = judged(rules, run, baseline)
    (found,) = decision.checks
    assert (decision.verdict, found.outcome) == ("not_judged", "not_judged")
    assert " cannot be judged: " in found.text
    assert reason in found.text
    assert found.text in decision.reason


def test_differences_that_were_allowed_are_noted() -> None:
    rules = f'may_differ = ["dataset"]\n{rule("pass_rate", "max_drop = 0")}'
    found = judged(rules, FOUR_OF_FIVE, a_run(OTHER, "x"))
    assert (found.verdict, found.checks[0].rows) == ("passed", 1)
    assert [note.partition(":")[0] for note in found.notes] == ["The datasets differ"]


def test_a_broken_rule_blocks_whatever_cannot_be_judged() -> None:
    rules = rule("pass_rate", "min = 0.9") + "\n" + rule("pass_rate", "min = 0.1", metric="unknown")
    found = judged(rules, FOUR_OF_FIVE)
    assert (found.verdict, [each.outcome for each in found.checks]) == ("blocked", ["failed", "not_judged"])
    assert found.reason == found.checks[0].text


def test_another_scorers_version_does_not_matter() -> None:
    baseline = a_run(passes(4, 1), "x", scorer_refs=("weave:///acme/bot/object/style:d9",))
    assert judged(rule("pass_rate", "max_drop = 0"), FOUR_OF_FIVE, baseline).verdict == "passed"


@given(st.integers(0, 30), st.integers(1, 30), st.floats(0.5, 0.999), st.floats(0, 1))
def test_confidence_only_makes_a_rule_harder(true: int, false: int, confidence: float, least: float) -> None:
    run = a_run(passes(true, false))
    plain, sure = (
        check(rule("pass_rate", f"min = {least:.6f}", *lines), run).outcome
        for lines in ((), (f"confidence = {confidence:.6f}",))
    )
    assert (plain, sure) in {("passed", "passed"), ("passed", "failed"), ("failed", "failed")}


def test_junit_tells_failures_from_errors() -> None:
    rules = "\n".join([rule("pass_rate", "min = 0.9"), rule("rows", "min = 1", metric=None), rule("mean", "min = 1")])
    root = ET.fromstring(junit(judged(rules, FOUR_OF_FIVE)))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [case.get("name") for case in suite] == ["pass_rate correct: min", "rows: min", "mean correct: min"]
    assert [case[0].tag for case in suite] == ["failure", "system-out", "error"]


def test_junit_of_a_run_that_was_not_judged() -> None:
    decision = judged(rule("rows", "min = 1", metric=None), a_run(passes(1), status="running"))
    ((case,),) = ET.fromstring(junit(decision))
    assert case[0].attrib == {"message": "The run run-a has not ended."}


def test_junit_holds_odd_names() -> None:
    decision = judged(
        rule("rows", "min = 1", "name = 'a\u0001<b>'", metric=None).replace("\u0001", "\\u0001"), a_run(passes(1))
    )
    checks = [replace(each, rule="a\x01<b>", text="\x02 & more") for each in decision.checks]
    ((case,),) = ET.fromstring(junit(replace(decision, checks=checks)))
    assert (case.get("name"), case[0].text) == ("a\ufffd<b>: min", "\ufffd & more")


def test_markdown_is_a_table() -> None:
    run = replace(FOUR_OF_FIVE, run=replace(FOUR_OF_FIVE.run, url="https://weave.test/run-a", display_name="a|b"))
    rules = rule("pass_rate", "min = 0.9") + "\n" + rule("mean", "min = 1")
    lines = markdown(judged(rules, run)).splitlines()
    assert lines[0] == "## Gate blocked"
    assert lines[2] == "[bot (a&#124;b)](https://weave.test/run-a)"
    assert lines[6] == "| ❌ | pass_rate correct | 0.8 | 0.3755 to 0.9638 | min 0.9 | 5 |"
    assert lines[7].startswith("| ⚠️ | mean correct |  |  | min 1.0 |")
    assert lines[9].startswith("- mean correct cannot be judged: correct is true or false")
    unfinished = markdown(judged(rules, a_run(passes(1), status="running")))
    assert unfinished.splitlines()[0] == "## Gate could not judge"
    assert "has not ended." in unfinished
