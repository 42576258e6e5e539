"""Reconciliation against an independent, naive model of Weave's arithmetic."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import astuple

from weave_eval.proof.reconcile import (
    LARGEST_SUMMED,
    MAX_DIFFERENCES,
    ApiFacts,
    Landed,
    Leaf,
    Reconciliation,
    reconcile,
)
from weave_eval.rows.flatten import leaves, typed_value
from weave_eval.weave.pages import ScorerStat

RUN = "run-1"


@dataclass(frozen=True)
class Trial:
    """A trial of an input, with the outputs of its scorers by name."""

    digest: str
    scores: dict[str, Any]


def weave_stats(trials: Sequence[Trial]) -> list[ScorerStat]:
    """The stats as Weave's server makes them, leaf by leaf in the order of the trials, with a running mean."""
    values: dict[tuple[str, str | None], list[Any]] = defaultdict(list)

    def walk(scorer: str, output: Any, keys: list[str]) -> None:
        if isinstance(output, dict):
            for key, value in output.items():
                walk(scorer, value, [*keys, key])
        elif isinstance(output, (bool, int, float, str)):
            values[scorer, ".".join(keys) if keys else None].append(output)

    for trial in trials:
        for scorer, output in trial.scores.items():
            walk(scorer, output, [])
    return [weave_stat(scorer, path, each) for (scorer, path), each in values.items()]


def weave_stat(scorer: str, path: str | None, values: Sequence[Any]) -> ScorerStat:
    flags = [value for value in values if isinstance(value, bool)]
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    mean = None
    for count, number in enumerate(numbers):
        mean = ((mean or 0.0) * count + float(number)) / (count + 1)
    kinds = {bool: "binary", int: "continuous", float: "continuous", str: "text"}
    return ScorerStat(
        scorer_key=scorer,
        path=path,
        value_type=kinds[type(values[0])],
        trial_count=len(values),
        numeric_count=len(numbers),
        numeric_mean=mean if mean is not None and math.isfinite(mean) else None,  # JSON has no other numbers
        pass_known_count=len(flags),
        pass_true_count=sum(flags),
        pass_rate=sum(flags) / len(flags) if flags else None,
        pass_signal_coverage=len(flags) / len(values),
    )


def api_facts(trials: Sequence[Trial]) -> ApiFacts:
    rows = len({trial.digest for trial in trials})
    return ApiFacts(RUN, rows, len(trials) if trials else None, weave_stats(trials))


def landed(trials: Sequence[Trial]) -> Landed:
    """What the warehouse would count, from the flattened scores."""
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for trial in trials:
        for scorer, output in trial.scores.items():
            for path, value in leaves(output):
                found[scorer, path].append(astuple(typed_value(value)))
    rows = len({trial.digest for trial in trials})
    return Landed(RUN, rows, len(trials), rows, [leaf(*key, values) for key, values in found.items()])


def leaf(scorer: str, path: str, values: Sequence[tuple[Any, ...]]) -> Leaf:
    kinds = [value[0] for value in values]
    summed = [v[2] for v in values if v[0] == "continuous" and v[2] is not None and abs(v[2]) < LARGEST_SUMMED]
    return Leaf(
        scorer_name=scorer,
        path=path,
        binary_count=kinds.count("binary"),
        true_count=sum(value[1] is True for value in values),
        number_count=kinds.count("continuous"),
        number_sum=math.fsum(summed),
        number_magnitude=math.fsum(map(abs, summed)),
        unsummed_count=kinds.count("continuous") - len(summed),
        text_count=kinds.count("text"),
        null_count=kinds.count("null"),
    )


def scored(*outputs: Any) -> list[Trial]:
    """A trial of an input of its own for each output of the scorer `judge`."""
    return [Trial(f"digest-{index}", {"judge": output}) for index, output in enumerate(outputs)]


def check(api: Sequence[Trial], ours: Sequence[Trial]) -> Reconciliation:
    return reconcile(api_facts(api), landed(ours))


finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)
keys = st.sampled_from(["a", "b", "a.b", "", ".", "\\", "a\\.b", "Ä 🎯"])


def outputs(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    scalars = st.booleans() | numbers | st.text(max_size=3) | st.none() | st.lists(st.integers(), max_size=2)
    return st.recursive(scalars, lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=4)


def runs(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Trial]]:
    scores = st.dictionaries(st.sampled_from(["judge", "exact", "a.b"]), outputs(numbers), max_size=2)
    return st.lists(st.builds(Trial, st.sampled_from("xyz"), scores), max_size=6)


@given(runs(finite | st.integers(-(2**80), 2**80)))
@example([])
@example(scored(1e16, 1.0, -1e16))
@example(scored(1.7e308, 2**1023))
@example(scored(5e-324, 0.0, 5e-324))
@example(scored({"a.b": 1}, {"a": {"b": True}}))
@example(scored({"": 6}, 7.5, "bare"))
def test_what_landed_whole_reconciles(trials: list[Trial]) -> None:
    found = check(trials, trials)
    assert found.is_reconciled
    assert found.stats_differing == 0
    assert all("excused" in difference for difference in found.differences)


@given(st.lists(moderate, min_size=1, max_size=60))
def test_rounding_is_no_difference(numbers: list[float]) -> None:
    assert check(scored(*numbers), scored(*reversed(numbers))).differences == []


@pytest.mark.parametrize(("count", "is_close"), [(4, False), (100_000, True)])
def test_rounding_grows_with_the_count(count: int, is_close: bool) -> None:
    mean = 1.0 + 1e-10
    ours = Leaf("judge", "", number_count=count, number_sum=float(count), number_magnitude=float(count))
    stat = ScorerStat("judge", None, "continuous", count, count, mean, 0, 0, None, 0.0)
    facts = ApiFacts(RUN, 1, count, [stat])
    assert reconcile(facts, Landed(RUN, 1, count, 1, [ours])).is_reconciled is is_close


@given(runs(moderate).filter(bool), st.data())
def test_a_lost_trial_is_found(trials: list[Trial], data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(trials) - 1))
    assert not check(trials, trials[:lost] + trials[lost + 1 :]).is_reconciled


@given(runs(moderate).filter(bool), st.data())
def test_a_lost_row_is_found_with_its_trials_and_without(trials: list[Trial], data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(trials)).digest
    assert not check(trials, [trial for trial in trials if trial.digest != lost]).is_reconciled
    whole = landed(trials)
    assert not reconcile(api_facts(trials), replace(whole, row_count=whole.row_count - 1)).is_reconciled


@given(runs(moderate).filter(bool), st.data())
def test_a_trial_twice_is_found(trials: list[Trial], data: st.DataObject) -> None:
    assert not check(trials, [*trials, data.draw(st.sampled_from(trials))]).is_reconciled


def scalars_in(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in scalars_in(inner, (*place, key))]
    return [(place, value)]


def changed_at(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    return {**value, place[0]: changed_at(value[place[0]], place[1:], new)} if place else new


def others(value: Any) -> list[Any]:
    """What a score can be changed to so that Weave would count something else."""
    if isinstance(value, bool):
        return [None, [], "text", 0.5, not value]
    return [None, {}, True, 0.5] if isinstance(value, str) else [None, [1], "text", True, value + 1, value * 2 + 1e-3]


@given(runs(moderate), st.data())
def test_any_changed_score_is_found(trials: list[Trial], data: st.DataObject) -> None:
    spots = [
        (index, place, value)
        for index, trial in enumerate(trials)
        for place, value in scalars_in(trial.scores)
        if place and isinstance(value, (bool, int, float, str))
    ]
    assume(spots)
    index, place, value = data.draw(st.sampled_from(spots))
    new = data.draw(st.sampled_from(others(value)))
    scores = changed_at(trials[index].scores, place, new)
    assert not check(
        trials, [*trials[:index], replace(trials[index], scores=scores), *trials[index + 1 :]]
    ).is_reconciled


def test_every_number_of_a_reconciled_run() -> None:
    trials = [*scored({"passed": True, "gap": 0.25}, {"passed": False, "gap": 4}, {"passed": False, "why": "no"})]
    assert check(trials, trials) == Reconciliation(
        run_id=RUN,
        api_row_count=3,
        row_count=3,
        api_trial_count=3,
        trial_count=3,
        stats_checked=3,
        stats_differing=0,
        is_reconciled=True,
        differences=[],
    )


def test_differences_name_what_differs() -> None:
    found = check(scored({"a": {"b.c": True}}, {"a": {"b.c": False}}), scored({"a": {"b.c": False}}, {"n": 2.5}))
    where = {"scorer": "judge", "path": "a.b.c"}
    assert found.differences == [
        {**where, "what": "trial_count", "api": 2, "ours": 1},
        {**where, "what": "pass_known_count", "api": 2, "ours": 1},
        {**where, "what": "pass_true_count", "api": 1, "ours": 0},
        {**where, "what": "pass_rate", "api": 0.5, "ours": 0.0},
        {"scorer": "judge", "path": "n", "what": "stat", "api": None, "ours": 1},
    ]
    assert (found.stats_checked, found.stats_differing, found.is_reconciled) == (2, 2, False)


def test_rows_and_trials_that_differ() -> None:
    found = check(scored(None, None, None), scored(None))
    assert found.differences == [
        {"what": "row_count", "api": 3, "ours": 1},
        {"what": "trial_count", "api": 3, "ours": 1},
    ]
    assert (found.api_row_count, found.row_count, found.api_trial_count, found.trial_count) == (3, 1, 3, 1)


def test_rows_without_trials_are_found() -> None:
    trials = scored(1, 2)
    found = reconcile(api_facts(trials), replace(landed(trials), trial_row_count=1))
    assert found.differences == [{"what": "row_count of trials", "api": 2, "ours": 1}]


def test_pass_rate_of_zero_is_a_value() -> None:
    api = api_facts(scored(False, False))
    lost = replace(api, stats=[_changed(api.stats[0], pass_rate=None)])
    assert [each["what"] for each in reconcile(lost, landed(scored(False, False))).differences] == ["pass_rate"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value_type", "continuous"),
        ("trial_count", 4),
        ("numeric_count", 2),
        ("numeric_mean", 2.5000001),
        ("pass_known_count", 3),
        ("pass_true_count", 2),
        ("pass_rate", 0.75),
        ("pass_signal_coverage", 0.3),
    ],
)
def test_every_field_of_a_stat_is_compared(field: str, value: Any) -> None:
    trials = scored({"k": True}, {"k": False}, {"j": 2.5})
    api = api_facts(trials)
    index = 1 if field in ("numeric_mean", "numeric_count") else 0
    stats = list(api.stats)
    stats[index] = _changed(stats[index], **{field: value})
    found = reconcile(replace(api, stats=stats), landed(trials))
    assert [(each["what"], each["api"]) for each in found.differences] == [(field, value)]


def _changed(stat: ScorerStat, **fields: Any) -> ScorerStat:
    return ScorerStat(**{**{name: getattr(stat, name) for name in stat.__struct_fields__}, **fields})


def test_a_run_without_predictions_has_no_summary() -> None:
    found = reconcile(ApiFacts(RUN, 0, None, ()), Landed(RUN, 0, 0, 0, ()))
    assert (found.is_reconciled, found.stats_checked, found.api_trial_count) == (True, 0, None)


def test_a_missing_summary_proves_nothing() -> None:
    found = reconcile(ApiFacts(RUN, 2, None, ()), landed(scored("fair", "poor")))
    assert found.differences == [{"what": "trial_count", "api": None, "ours": 2}]


def test_stats_that_share_scorer_and_path_count_together() -> None:
    trials = scored(True, 2.5, {"": False}, {"": 6.5}, {"": 7})
    api = api_facts(trials)
    assert [stat.path for stat in api.stats] == [None, ""]
    found = reconcile(api, landed(trials))
    assert (found.stats_checked, found.differences) == (1, [])
    assert not reconcile(api, landed(scored(True, 2.5, {"": True}, {"": 6.5}, {"": 7}))).is_reconciled


def test_rows_with_an_empty_digest_are_excused_once() -> None:
    trials = scored(True)
    one = reconcile(replace(api_facts(trials), row_count=2), landed(trials))
    assert (one.is_reconciled, one.differences[0]["what"]) == (True, "row_count")
    assert "empty" in one.differences[0]["excused"]
    assert not reconcile(replace(api_facts(trials), row_count=3), landed(trials)).is_reconciled


def test_numbers_without_a_mean_are_excused_and_noted() -> None:
    trials = scored(1e300, 2.0)
    found = check(trials, trials)
    assert (found.is_reconciled, found.stats_differing) == (True, 0)
    assert [(each["what"], "excused" in each) for each in found.differences] == [("numeric_mean", True)]
    assert not check(trials, scored(1e300, "2.0")).is_reconciled


def test_not_a_number_delivered_as_null() -> None:
    ours = landed(scored(0.5, None, None))
    found = reconcile(api_facts(scored(0.5, math.nan, None)), ours)
    assert found.is_reconciled
    assert [each["what"] for each in found.differences] == ["numeric_count", "numeric_mean"]
    assert not reconcile(api_facts(scored(0.5, 0.75, None)), ours).is_reconciled
    assert not reconcile(api_facts(scored(0.5, math.nan, math.nan)), landed(scored(0.5, None, {}))).is_reconciled
    assert reconcile(api_facts(scored(math.nan)), landed(scored(None))).is_reconciled
    assert reconcile(api_facts(scored(math.nan, {"": 1.5})), landed(scored(None, {"": 1.5}))).is_reconciled


def test_versions_that_count_no_texts() -> None:
    def is_reconciled(api: list[Trial], ours: list[Trial]) -> bool:
        return reconcile(replace(api_facts(api), row_count=3, trial_count=3), landed(ours)).is_reconciled

    mixed = scored({"k": True, "why": "one"}, {"k": "two"}, {"k": False})
    uncounted = scored({"k": True}, {}, {"k": False})
    assert is_reconciled(uncounted, mixed)
    assert not is_reconciled(scored({"k": True}, {}, {"k": True}), mixed)
    assert not is_reconciled(scored({"k": True, "why": "one"}, {}, {"k": False}), mixed)


def test_the_list_of_differences_is_bounded() -> None:
    many = {f"key {index}": index for index in range(MAX_DIFFERENCES + 50)}
    found = check(scored(many), scored({}))
    assert (len(found.differences), found.stats_differing) == (MAX_DIFFERENCES, MAX_DIFFERENCES + 50)


@pytest.mark.parametrize(("calls", "is_reconciled"), [(None, True), (2, True), (1, False), (3, False)])
def test_trials_are_as_many_as_their_calls(calls: int | None, is_reconciled: bool) -> None:
    trials = scored("fair", "poor")
    found = reconcile(replace(api_facts(trials), trial_calls=calls), landed(trials))
    assert found.is_reconciled is is_reconciled
    expected = [] if is_reconciled else [{"what": "trial_call_count", "api": calls, "ours": 2}]
    assert found.differences == expected


def test_an_empty_answer_proves_nothing() -> None:
    found = reconcile(ApiFacts(RUN, 0, None, (), trial_calls=6), Landed(RUN, 0, 0, 0, ()))
    assert found.differences == [{"what": "trial_call_count", "api": 6, "ours": 0}]


def test_trials_of_a_row_without_digest_are_excused() -> None:
    trials = scored("fair", "poor")
    found = reconcile(replace(api_facts(trials), row_count=3, trial_calls=5), landed(trials))
    assert (found.is_reconciled, [each["what"] for each in found.differences]) == (
        True,
        ["row_count", "trial_call_count"],
    )
