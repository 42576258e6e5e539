"""Values as people read them. A space before a unit does not break."""

from __future__ import annotations

import math
from datetime import datetime

NOTHING = "\N{EN DASH}"
"""What stands where there is no value."""

_SPACE = "\N{NO-BREAK SPACE}"


def percent(share: float | None) -> str:
    """A share as whole percents, or with a decimal where it would else look like none or all."""
    if share is None:
        return NOTHING
    is_nearly_whole = 0 < share < 0.01 or 0.99 < share < 1
    return f"{_below(100 * share, 1) if is_nearly_whole else round(100 * share)}{_SPACE}%"


def _below(value: float, digits: int) -> float:
    """The value rounded, but to neither 0 nor 100."""
    step: float = 10.0**-digits
    return min(100 - step, max(step, round(value, digits)))


def number(value: float | None) -> str:
    """A number with three significant digits, or all before the point."""
    if value is None:
        return NOTHING
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    if digits > 6 or abs(value) >= 1e15:
        return f"{value:.2e}"
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quality(value: float | None, *, is_binary: bool) -> str:
    """The value of a metric: a pass rate, or a mean."""
    return percent(value) if is_binary else number(value)


def money(dollars: float | None) -> str:
    """US dollars: cents from one dollar on, two significant digits below."""
    if dollars is None:
        return NOTHING
    if dollars >= 1000:
        return f"${dollars:,.0f}"
    if dollars >= 1 or dollars <= 0:
        return f"${dollars:,.2f}"
    return f"${dollars:.{1 - math.floor(math.log10(dollars))}f}" if dollars > 1e-7 else "under $0.0000001"


def seconds(value: float | None) -> str:
    """A duration with two or three digits."""
    if value is None:
        return NOTHING
    if value < 100:
        return f"{value:.2f}{_SPACE}s" if value < 10 else f"{value:.1f}{_SPACE}s"
    minutes = value / 60
    return f"{minutes:.1f}{_SPACE}min" if minutes < 100 else f"{minutes / 60:.1f}{_SPACE}h"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """A number of things, such as `1 run` and `2 runs`."""
    return f"{value:,}{_SPACE}{noun if value == 1 else plural or f'{noun}s'}"


def day(moment: datetime | None) -> str:
    """The day in UTC."""
    return f"{moment.day}{_SPACE}{moment:%b %Y}" if moment else NOTHING


def minute(moment: datetime | None) -> str:
    """Day and time in UTC."""
    return f"{day(moment)}, {moment:%H:%M}{_SPACE}UTC" if moment else NOTHING


def ago(moment: datetime | None, now: datetime) -> str:
    """How long before `now` it was, in words."""
    if moment is None:
        return "never"
    hours = (now - moment).total_seconds() / 3600
    if hours < 1:
        return "less than an hour before"
    return f"{count(round(hours), 'hour')} before" if hours < 36 else f"{count(round(hours / 24), 'day')} before"


def p_value(value: float | None) -> str:
    """A p-value as `p = 0.06` or `p < 0.001`."""
    if value is None:
        return NOTHING
    if value < 0.001:
        return f"p{_SPACE}<{_SPACE}0.001"
    return f"p{_SPACE}={_SPACE}{value:.3f}" if value < 0.1 else f"p{_SPACE}={_SPACE}{value:.2f}"


def listed(words: list[str], most: int = 5) -> str:
    """Words as `a, b and c`, the rest counted."""
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
