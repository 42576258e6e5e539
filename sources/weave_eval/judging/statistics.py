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

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8

_NO_SPREAD = 1e-12
"""A spread below this share of the values is rounding."""


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided interval; both bounds are None where there are too few rows for one.

    `standard_error` is None with fewer than two rows.
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
    value = float(np.mean(shares))
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
    error = _standard_error(values)
    return _with_margin(float(np.mean(values)), error, len(values), confidence)


def rate_difference(differences: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of paired differences of pass shares (each -1 to 1), with Bonett and Price's interval.

    It is Wald's with one more row that got better by 1 and one that got worse by 1, and so has a width also where
    no row differs (Bonett and Price 2012; recommended by Fagerland et al. 2014).
    """
    padded = [*differences, 1.0, -1.0]
    z = float(stats.norm.ppf((1 + confidence) / 2))
    middle, half = float(np.mean(padded)), z * float(np.std(padded)) / math.sqrt(len(padded))
    value, error = float(np.mean(differences)), _standard_error(differences)
    return Estimate(value, max(-1.0, middle - half), min(1.0, middle + half), error, len(differences), confidence)


def mean_difference(differences: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of paired differences with Student's interval. At least one row."""
    return mean(differences, confidence)


def _standard_error(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None


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
    if list(before) == list(after):
        return 1.0
    differences = np.subtract(after, before)
    largest = float(np.max(np.abs(np.concatenate([before, after]))))
    if len(differences) < 2 or float(np.std(differences)) <= _NO_SPREAD * largest:
        return None
    return float(stats.ttest_rel(after, before).pvalue)


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


def detectable_mean_difference(differences: Sequence[float]) -> float | None:
    """The smallest difference of means that these rows could have shown; None without any spread to go by."""
    deviation = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    return detectable(deviation, len(differences)) if deviation else None


def detectable_rate_deviation(shares: Sequence[float]) -> float:
    """The smallest deviation from a fixed pass rate that these rows could have shown.

    One row that passes and one that fails are added, so that it has a size also where all passed.
    """
    return detectable(float(np.std([*shares, 0.0, 1.0])), len(shares))


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile, interpolated as SQL's `percentile_cont` does. At least one value."""
    return float(np.percentile(values, percent))
