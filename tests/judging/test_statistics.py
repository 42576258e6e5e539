"""Estimates, tests and power, against statsmodels and examples worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.descriptivestats import sign_test as signs
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from weave_eval.judging import statistics

BEFORE = [0.2, 0.9, 0.4, 0.75, 0.31, 0.6]
AFTER = [0.1, 0.95, 0.1, 0.7, 0.33, 0.2]
DIFFERENCES = [after - before for before, after in zip(BEFORE, AFTER, strict=True)]

counts = st.integers(0, 60)
shares = st.lists(st.floats(0, 1), min_size=1, max_size=40)
changes = st.lists(st.floats(-1, 1), min_size=1, max_size=40)


@pytest.mark.parametrize(("passed", "rows", "confidence"), [(0, 7, 0.95), (7, 7, 0.9), (19, 25, 0.95), (3, 4, 0.99)])
def test_a_rate_has_wilsons_interval(passed: int, rows: int, confidence: float) -> None:
    found = statistics.rate([1.0] * passed + [0.0] * (rows - passed), confidence)
    expected = proportion_confint(passed, rows, alpha=1 - confidence, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected)
    assert (found.value, found.rows, found.confidence) == (passed / rows, rows, confidence)


def test_a_rate_of_shares_is_as_wide_as_one_of_so_many_rows() -> None:
    found = statistics.rate([0.5, 1.0, 0.0, 0.5])
    assert (found.low, found.high) == pytest.approx(proportion_confint(2, 4, method="wilson"))


def test_a_mean_has_students_interval() -> None:
    found = statistics.mean(BEFORE, 0.9)
    described = DescrStatsW(BEFORE)
    assert (found.low, found.high) == pytest.approx(described.tconfint_mean(alpha=0.1))
    assert found.standard_error == pytest.approx(described.std_mean)


def test_one_row_has_no_interval() -> None:
    found = statistics.mean([3.5])
    assert (found.value, found.low, found.high, found.standard_error) == (3.5, None, None, None)


@pytest.mark.parametrize("rows", [2, 500])
def test_rows_that_are_all_the_same_say_nothing_of_others(rows: int) -> None:
    """Their spread is 0, or what rounding makes of it."""
    found = statistics.mean([0.3, 0.1 + 0.2] * (rows // 2))
    assert (found.low, found.high, found.standard_error) == (None, None, None)
    found = statistics.mean_difference([0.1, 1e6] * (rows // 2), [0.4, 1e6 + 0.3] * (rows // 2))
    assert found.value == pytest.approx(0.3)
    assert (found.low, found.high, found.standard_error) == (None, None, None)
    assert statistics.detectable_mean_difference([0.1] * rows, [0.4] * rows) is None


def test_a_difference_of_rates_by_hand() -> None:
    """21 rows, 7 worse and 1 better: (2 - 8)/23 -+ 1.959964 * sqrt(((2 + 8)/23 - (6/23)**2) / 23)."""
    found = statistics.rate_difference([-1.0] * 7 + [1.0] + [0.0] * 13)
    assert found.value == pytest.approx(-6 / 21)
    assert (found.low, found.high) == pytest.approx((-0.508360, -0.013380), abs=1e-6)


def test_a_difference_of_rates_is_not_certain_where_nothing_differs() -> None:
    """12 equal rows: the standard error is sqrt(2 / 14) / sqrt(14) = 0.101015."""
    found = statistics.rate_difference([0.0] * 12)
    assert (found.value, found.low, found.high) == pytest.approx((0, -0.197986, 0.197986), abs=1e-6)


@pytest.mark.parametrize(("wins", "losses", "expected"), [(0, 5, 0.0625), (2, 8, 0.109375), (4, 4, 1.0), (0, 0, 1.0)])
def test_the_sign_test_by_hand(wins: int, losses: int, expected: float) -> None:
    """Twice the tail of coin tosses: 2 / 2**5; 2 * (1 + 10 + 45) / 2**10."""
    assert statistics.sign_test(wins, losses) == pytest.approx(expected)


@given(counts, counts)
def test_the_sign_test_is_mcnemars(wins: int, losses: int) -> None:
    expected = mcnemar([[11, wins], [losses, 13]], exact=True).pvalue
    found = statistics.sign_test(wins, losses)
    assert found == pytest.approx(expected)
    assert found == statistics.sign_test(losses, wins)
    assert 0 <= found <= 1


def test_the_sign_test_is_that_of_statsmodels() -> None:
    assert statistics.sign_test(2, 4) == pytest.approx(signs(DIFFERENCES)[1])


def test_the_paired_t_test_is_that_of_statsmodels() -> None:
    assert statistics.paired_t_test(BEFORE, AFTER) == pytest.approx(DescrStatsW(DIFFERENCES).ttest_mean()[1])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [([0.3, 0.4], [0.3, 0.4], 1.0), ([0.3, 0.4], [0.4, 0.5], None), ([0.3], [0.9], None)],
    ids=["equal", "by the same", "one row"],
)
def test_the_paired_t_test_without_spread(before: list[float], after: list[float], expected: float | None) -> None:
    assert statistics.paired_t_test(before, after) == expected


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_paired_t_test_does_not_care_for_order(pairs: list[tuple[float, float]]) -> None:
    before, after = [first for first, _ in pairs], [second for _, second in pairs]
    found = statistics.paired_t_test(before, after)
    assert found is None or 0 <= found <= 1
    assert statistics.paired_t_test(after, before) == (None if found is None else pytest.approx(found, abs=1e-9))


@pytest.mark.parametrize(("deviation", "rows"), [(0.4, 25), (2.5, 300)])
def test_what_can_be_detected_has_the_power_asked_for(deviation: float, rows: int) -> None:
    power = NormalIndPower().solve_power(nobs1=rows, alpha=0.05, power=0.8, ratio=0)
    assert statistics.detectable(deviation, rows) == pytest.approx(power * deviation, rel=1e-3)


def test_what_can_be_detected_by_hand() -> None:
    """2.80159 = 1.95996 + 0.84162; 25 rows, 5 of which got worse: the deviation of the 27 is 0.474304."""
    assert statistics.detectable_rate_difference([-1.0] * 5 + [0.0] * 20) == pytest.approx(0.265761, abs=1e-6)
    assert statistics.detectable_mean_deviation([1.0, 2.0, 3.0]) == pytest.approx(2.80159 / 3**0.5, abs=1e-5)
    assert statistics.detectable_rate_deviation([1.0] * 7) == pytest.approx(
        2.80159 * (8 / 81) ** 0.5 / 7**0.5, abs=1e-5
    )
    assert statistics.detectable_mean_difference([4.0, 3.0, 2.0], [5.0, 5.0, 5.0]) == pytest.approx(
        2.80159 / 3**0.5, abs=1e-5
    )
    assert statistics.detectable_mean_deviation([2.0, 2.0]) is None


@given(shares)
def test_a_rate_lies_in_its_interval(values: list[float]) -> None:
    found = statistics.rate(values)
    assert found.low is not None
    assert found.high is not None
    assert -1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1 + 1e-9


@given(changes)
def test_a_difference_of_rates_lies_in_its_interval_and_turns_around(values: list[float]) -> None:
    found = statistics.rate_difference(values)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    turned = statistics.rate_difference([-value for value in values])
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_percentiles_are_interpolated() -> None:
    assert statistics.percentile([1.0, 2.0, 4.0, 8.0], 50) == 3.0
    assert statistics.percentile([1.0, 2.0, 4.0, 8.0], 95) == pytest.approx(7.4)
