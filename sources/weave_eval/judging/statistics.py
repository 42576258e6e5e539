"""Estimates, tests and power for values by row.

Rows are the unit: trials of a row answer the same input and are not independent, so a row counts once, with the mean of
its trials (Miller 2024, "Adding Error Bars to Evals", arXiv:2411.00640, sections 2 and 3). Values of a pass rate
are shares between 0 and 1, exactly 0 or 1 where a row has one trial.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from .precision import TOLERANCE, is_same
from .precision import mean as mean_of

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided interval; both bounds are None where the rows do not say how far they vary.

    `standard_error` is None with fewer than two rows, and with rows that are all the same: that no row differed says
    nothing of how far others would.
    """

    value: float
    low: float | None
    high: float | None
    standard_error: float | None
    rows: int
    confidence: float = CONFIDENCE

    def as_dict(self) -> dict[str, Any]:
        """The estimate as JSON values."""
        return dict(vars(self))


def rate(shares: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of rows' pass shares with Wilson's score interval (1927) of as many trials as rows. At least one row.

    A share between 0 and 1 varies less than a row that passes or fails, so with several trials a row the interval is
    wider than it needs to be, never narrower.
    """
    value = mean_of(shares)
    low, high = wilson(value, len(shares), confidence)
    return Estimate(value, low, high, _standard_error(shares), len(shares), confidence)


def wilson(share: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a share among `count` rows; `share * count` need not be whole."""
    z2 = float(stats.norm.ppf((1 + confidence) / 2)) ** 2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2) / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return middle - half if share > 0 else 0.0, middle + half if share < 1 else 1.0


def mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of rows' values with Student's interval. At least one row."""
    return _with_margin(mean_of(values), _standard_error(values), len(values), confidence)


def rate_difference(differences: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of paired differences of pass shares (each -1 to 1), with Bonett and Price's interval.

    It is Wald's with one more row that got better by 1 and one that got worse by 1, and so has a width also where
    no row differs (Bonett and Price 2012; recommended by Fagerland et al. 2014).
    """
    padded = [*differences, 1.0, -1.0]
    z = float(stats.norm.ppf((1 + confidence) / 2))
    middle, half = float(np.mean(padded)), z * float(np.std(padded)) / math.sqrt(len(padded))
    value, error = mean_of(differences), _standard_error(differences, 1.0)
    return Estimate(value, max(-1.0, middle - half), min(1.0, middle + half), error, len(differences), confidence)


def mean_difference(before: Sequence[float], after: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of paired differences with Student's interval. At least one row."""
    differences = paired_differences(before, after)
    error = _standard_error(differences, _largest([*before, *after]))
    return _with_margin(mean_of(differences), error, len(differences), confidence)


def paired_differences(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """How far each value moved: by 0 where it is the same but for rounding."""
    pairs = zip(before, after, strict=True)
    return [0.0 if is_same(first, second) else second - first for first, second in pairs]


def _largest(values: Sequence[float]) -> float:
    return max(map(abs, values))


def _spread(values: Sequence[float], size: float) -> float | None:
    """The standard deviation of values that come from numbers up to `size`; None where it is mere rounding."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return spread if spread > TOLERANCE * size else None


def _standard_error(values: Sequence[float], size: float | None = None) -> float | None:
    spread = _spread(values, _largest(values) if size is None else size)
    return None if spread is None else spread / math.sqrt(len(values))


def _with_margin(value: float, error: float | None, count: int, confidence: float) -> Estimate:
    if error is None:
        return Estimate(value, None, None, None, count, confidence)
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
    return Estimate(value, value - half, value + half, error, count, confidence)


def sign_test(wins: int, losses: int) -> float:
    """The exact two-sided p-value of these counts of better and worse rows, ties left out.

    Where every row passes or fails as a whole it is McNemar's exact test (1947).
    """
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def paired_t_test(before: Sequence[float], after: Sequence[float]) -> float | None:
    """The two-sided p-value of the paired t-test; 1 if nothing differs.

    None where it says nothing: fewer than two rows, or all differ by the same amount.
    """
    differences = paired_differences(before, after)
    if not any(differences):
        return 1.0
    if _spread(differences, _largest([*before, *after])) is None:
        return None
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def detectable(deviation: float, rows: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest difference that `rows` rows show with probability `power` in a two-sided test at `alpha`.

    (z(1 - alpha/2) + z(power)) * deviation / sqrt(rows), where `deviation` is the standard deviation of the rows'
    (paired) differences (Miller 2024, section 5; the normal form of Dupont and Plummer 1990).
    """
    factor = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    return factor * deviation / math.sqrt(rows)


def detectable_rate_difference(differences: Sequence[float]) -> float:
    """The smallest difference of pass rates that these rows could have shown; as many pseudo-rows as its interval."""
    return detectable(float(np.std([*differences, 1.0, -1.0])), len(differences))


def detectable_mean_difference(before: Sequence[float], after: Sequence[float]) -> float | None:
    """The smallest difference of means that these rows could have shown; None without any spread to go by."""
    deviation = _spread(paired_differences(before, after), _largest([*before, *after]))
    return None if deviation is None else detectable(deviation, len(before))


def detectable_mean_deviation(values: Sequence[float]) -> float | None:
    """The smallest deviation from a fixed mean that these rows could have shown; None without any spread to go by."""
    deviation = _spread(values, _largest(values))
    return None if deviation is None else detectable(deviation, len(values))


def detectable_rate_deviation(shares: Sequence[float]) -> float:
    """The smallest deviation from a fixed pass rate that these rows could have shown.

    One row that passes and one that fails are added, so that it has a size also where all passed.
    """
    return detectable(float(np.std([*shares, 0.0, 1.0])), len(shares))


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile, interpolated as SQL's `percentile_cont` does. At least one value."""
    return float(np.percentile(values, percent))
