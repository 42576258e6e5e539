"""Arrow types that results of several warehouses have."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

INSTANT = pa.timestamp("us", "UTC")
MOMENT = pa.timestamp("us")
MOST_DIGITS = 38


def decimal_type(precision: int | None, scale: int | None) -> Any:
    """A decimal of known digits; a double where each value has digits of its own."""
    is_known = precision is not None and scale is not None and 0 <= scale <= precision <= MOST_DIGITS
    return pa.decimal128(precision, scale) if is_known else pa.float64()
