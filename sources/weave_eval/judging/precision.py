"""How exactly values are taken: which are the same, and which are too large to compute with.

The views' SQL is made from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

TOLERANCE = 1e-9
"""Values that differ by no more than this share of the larger are the same: sums differ by as much from rounding."""

NEAR_ZERO = 1e-3
"""The share is of this at least, so that what rounding leaves of a zero is a zero: 1e-12."""

LARGEST = 1e100
"""Nothing is computed of a metric with a number as large: squares and sums of larger ones have no double."""


def slack(*values: float) -> float:
    """How much rounding may move a result of such values."""
    return TOLERANCE * max(NEAR_ZERO, *map(abs, values))


def is_same(one: float, other: float) -> bool:
    """Whether two values differ by no more than rounding explains."""
    return abs(one - other) <= slack(one, other)


def is_computable(value: float) -> bool:
    """Whether a number is small enough to compute with."""
    return abs(value) < LARGEST


def mean(values: Sequence[float]) -> float:
    """The mean, which is the same whatever the order. At least one value."""
    return math.fsum(values) / len(values)
