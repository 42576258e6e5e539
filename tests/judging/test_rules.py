"""Rules of a gate: what a file may say, and the sentence for each mistake."""

from __future__ import annotations

import pytest

from weave_eval.errors import SettingsError
from weave_eval.judging.rules import BOUNDS, MEASURES, parse_rules

PASS_RATE = '[[rules]]\nmeasure = "pass_rate"\nmetric = "correct"\nmin = 0.9\n'


def test_a_file_with_everything() -> None:
    rules = parse_rules(
        """
        confidence = 0.9
        count_errors_as = "ignored"
        may_differ = ["dataset", "scorers"]
        [[rules]]
        measure = "pass_rate"
        metric = "correct"
        min = 0.8
        max_drop = 0.05
        [[rules]]
        name = "no regressions"
        measure = "regressions"
        metric = "style.score"
        better = "lower"
        tolerance = 0.25
        max = 3
        [[rules]]
        measure = "latency_mean"
        max_rise_percent = 12.5
        confidence = 0.99
        """,
        "gate.toml",
    )
    assert (rules.count_errors_as, sorted(rules.may_differ)) == ("ignored", ["dataset", "scorers"])
    first, second, third = rules.rules
    assert (first.name, first.bounds, first.confidence) == ("pass_rate correct", {"min": 0.8, "max_drop": 0.05}, 0.9)
    assert (second.name, second.metric, second.better) == ("no regressions", "style.score", "lower")
    assert (second.tolerance, second.bounds, second.confidence) == (0.25, {"max": 3.0}, None)
    assert (third.name, third.metric, third.confidence) == ("latency_mean", None, 0.99)


def test_rules_that_say_the_same_have_the_same_digest() -> None:
    swapped = '# a comment\n[[rules]]\nmin = 0.9\nmetric = "correct"\nmeasure = "pass_rate"\n'
    digests = [parse_rules(text, "it").digest for text in (PASS_RATE, swapped, PASS_RATE.replace("0.9", "0.8"))]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 24


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_takes_each_of_its_bounds(measure: str) -> None:
    known = MEASURES[measure]
    metric = 'metric = "correct"\n' if known.has_metric else ""
    for bound in known.bounds:
        assert bound in BOUNDS
        (rule,) = parse_rules(f'[[rules]]\nmeasure = "{measure}"\n{metric}{bound} = 2', "it").rules
        assert rule.bounds == {bound: 2.0}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "It has no rules; add one, starting with a line [[rules]]."),
        ("rules = 3", "It has no rules; add one, starting with a line [[rules]]."),
        ("rules = [7]", "Rule 1: it is 7; write it as a table, starting with a line [[rules]]."),
        ("max_drp = 1\n[[rules]]", "It has 'max_drp', which is unknown; it may have confidence, count_errors_as,"),
        ("confidence = 95\n[[rules]]", "confidence is 95; it must be a number between 0 and 1, such as 0.95."),
        ('count_errors_as = "nothing"\n[[rules]]', "count_errors_as is 'nothing'; it must be 'failures' or 'ignored'."),
        ('may_differ = "model"\n[[rules]]', "may_differ is 'model'; it must be a list of dataset or scorers."),
        ('[[rules]]\nmeasure = "passrate"', "Rule 1: measure is 'passrate'; it must be one of pass_rate, mean, regre"),
        ("[[rules]]", "Rule 1: measure is None; it must be one of pass_rate, mean"),
        (PASS_RATE + "mx = 1", "Rule 1: it has 'mx', which is unknown; it may have name, measure, metric, confid"),
        (PASS_RATE + "tolerance = 1", "Rule 1: it has 'tolerance', which is unknown; it may have name, measure"),
        (PASS_RATE + "[[rules]]\nmeasure = 'mean'\nmin=1", "Rule 2: metric is None; mean needs the name of a"),
        ("[[rules]]\nmeasure = 'error_rate'\nmetric = 'correct'\nmax = 1", "metric is 'correct', but error_rate"),
        ("[[rules]]\nmeasure = 'pass_rate'\nmetric = 'correct'", "it has no bound; give it min, max, max_drop or max"),
        (PASS_RATE.replace("0.9", "1" * 400), "; it must be a number: the least value."),
        ("[[rules]]\nmeasure = 'mean'\nmetric = 'x'\nmin = 1\nerror_value = 'no'", "error_value is 'no'; it must be a"),
        (PASS_RATE.replace("0.9", "'0.9'"), "Rule 1: min is '0.9'; it must be a number: the least value."),
        (PASS_RATE.replace("0.9", "true"), "Rule 1: min is True; it must be a number: the least value."),
        (PASS_RATE.replace("0.9", "nan"), "Rule 1: min is nan; it must be a number: the least value."),
        (PASS_RATE + "max_drop = -0.1", "max_drop is -0.1; it must not be negative: how far below the baseline's"),
        (PASS_RATE + "confidence = 1", "Rule 1: confidence is 1; it must be a number between 0 and 1, such as 0.95."),
        ("[[rules]]\nmeasure = 'latency_p95'\nmax=1\nconfidence=0.9", "confidence is given, but latency_p95 has no"),
        ("[[rules]]\nmeasure='regressions'\nmetric='a'\nmax=1\nbetter='up'", "better is 'up'; it must be 'higher' or"),
        ("[[rules]]\nmeasure='regressions'\nmetric='a'\nmax=1\ntolerance=-1", "tolerance is -1; it must be a number"),
        (PASS_RATE + "name = 7", "Rule 1: name is 7; it must be a text."),
        ("[[rules]", "gate.toml cannot be read as TOML:"),
    ],
)  # fmt: skip
def test_each_mistake_has_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_rules(text, "gate.toml")
    assert str(error.value).startswith("gate.toml cannot be ")
    assert sentence in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        parse_rules(f"colour = 1\n{PASS_RATE}mx = 1\nname = 7", "gate.toml")
    assert len(str(error.value).splitlines()) == 4
