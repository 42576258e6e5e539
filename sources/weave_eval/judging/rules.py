"""The rules of a gate, as a TOML file declares them.

    confidence = 0.95                # optional: bounds of intervals must pass, not values alone
    count_errors_as = "failures"     # or "ignored": trials that failed before they were scored
    may_differ = ["dataset"]         # or "scorers": baselines are compared all the same, on the common rows

    [[rules]]
    measure = "pass_rate"
    metric = "correct"               # the scorer's name, with the path of the score behind a dot where there is one
    min = 0.9
    max_drop = 0.02

A rule has a `measure`, one bound or more, and the options that its measure knows; see `MEASURES` and `BOUNDS`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from ..errors import SettingsError
from .comparison import Better
from .run_results import ErrorsAs


class Measure(NamedTuple):
    """What a rule can measure: whether it is of a metric, which bounds it knows, and what else."""

    bounds: tuple[str, ...]
    has_metric: bool = False
    has_interval: bool = False
    options: tuple[str, ...] = ()


_VALUE = ("min", "max")
_AGAINST = ("max_drop", "max_rise")
_RELATIVE = ("max_drop_percent", "max_rise_percent")

MEASURES: dict[str, Measure] = {
    "pass_rate": Measure((*_VALUE, *_AGAINST), has_metric=True, has_interval=True),
    "mean": Measure((*_VALUE, *_AGAINST, *_RELATIVE), has_metric=True, has_interval=True, options=("error_value",)),
    "regressions": Measure(("max",), has_metric=True, options=("better", "tolerance", "error_value")),
    "flaky_rows": Measure(("max",), has_metric=True),
    "missing_score_rate": Measure((*_VALUE, *_AGAINST), has_metric=True, has_interval=True),
    "error_rate": Measure((*_VALUE, *_AGAINST), has_interval=True),
    "latency_mean": Measure((*_VALUE, *_AGAINST, *_RELATIVE), has_interval=True),
    "latency_p50": Measure((*_VALUE, *_AGAINST, *_RELATIVE)),
    "latency_p95": Measure((*_VALUE, *_AGAINST, *_RELATIVE)),
    "cost_mean": Measure((*_VALUE, *_AGAINST, *_RELATIVE), has_interval=True),
    "cost_total": Measure((*_VALUE, *_AGAINST, *_RELATIVE)),
    "rows": Measure((*_VALUE, *_AGAINST)),
}
"""Every measure. Latencies are in seconds a trial, costs in US dollars a trial or in all, rates are 0 to 1."""

BOUNDS: dict[str, str] = {
    "min": "the least value",
    "max": "the largest value",
    "max_drop": "how far below the baseline's value",
    "max_rise": "how far above the baseline's value",
    "max_drop_percent": "how far below the baseline's value, in percent of it",
    "max_rise_percent": "how far above the baseline's value, in percent of it",
}
"""Every bound; all but the first two need a baseline, and so do regressions."""

_OPTIONS = ("name", "measure", "metric", "confidence")
_SETTINGS = ("confidence", "count_errors_as", "may_differ", "rules")
_MAY_DIFFER = ("dataset", "scorers")


@dataclass(frozen=True)
class Rule:
    """One rule: what is measured, of which metric, and its bounds by their names.

    `error_value` is what a trial counts as that failed without the metric.
    """

    name: str
    measure: str
    metric: str | None
    bounds: dict[str, float]
    confidence: float | None = None
    better: Better = "higher"
    tolerance: float = 0.0
    error_value: float | None = None

    @property
    def needs_baseline(self) -> bool:
        """Whether there is anything in the rule that compares with a baseline."""
        return self.measure == "regressions" or any(is_relative(bound) for bound in self.bounds)


@dataclass(frozen=True)
class Rules:
    """The rules of a gate. `document` is what the file says, as JSON values."""

    rules: tuple[Rule, ...]
    count_errors_as: ErrorsAs = "failures"
    may_differ: frozenset[str] = frozenset()
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash that is the same for rules that say the same (24 hex digits)."""
        text = json.dumps(self.document, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def is_relative(bound: str) -> bool:
    """Whether a bound compares with a baseline."""
    return bound not in _VALUE


def parse_rules(text: str, place: str) -> Rules:
    """The rules in a TOML text; `place` names it in sentences.

    Raises `SettingsError` with a line for each mistake.
    """
    try:
        document = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        raise SettingsError(f"{place} cannot be read as TOML: {error}") from None
    mistakes = list(_mistakes(document))
    if mistakes:
        raise SettingsError(f"{place} cannot be used:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))
    return Rules(
        rules=tuple(_rule(declared, document.get("confidence")) for declared in document["rules"]),
        count_errors_as=document.get("count_errors_as", "failures"),
        may_differ=frozenset(document.get("may_differ", ())),
        document=document,
    )


def _rule(declared: dict[str, Any], confidence: float | None) -> Rule:
    measure, metric = declared["measure"], declared.get("metric")
    has_interval = MEASURES[measure].has_interval
    return Rule(
        name=declared.get("name") or " ".join(part for part in (measure, metric) if part),
        measure=measure,
        metric=metric,
        bounds={bound: float(declared[bound]) for bound in BOUNDS if bound in declared},
        confidence=declared.get("confidence", confidence) if has_interval else None,
        better=declared.get("better", "higher"),
        tolerance=float(declared.get("tolerance", 0.0)),
        error_value=float(declared["error_value"]) if "error_value" in declared else None,
    )


def _mistakes(document: dict[str, Any]) -> Iterator[str]:
    yield from _unknown("It", document, _SETTINGS)
    yield from _confidence_mistakes("confidence", document)
    errors_as = document.get("count_errors_as", "failures")
    if errors_as not in ("failures", "ignored"):
        yield f"count_errors_as is {errors_as!r}; it must be 'failures' or 'ignored'."
    may_differ = document.get("may_differ", [])
    if not isinstance(may_differ, list) or any(subject not in _MAY_DIFFER for subject in may_differ):
        yield f"may_differ is {may_differ!r}; it must be a list of {_either(_MAY_DIFFER)}."
    declared = document.get("rules")
    if not isinstance(declared, list) or not declared:
        yield "It has no rules; add one, starting with a line [[rules]]."
        return
    for number, rule in enumerate(declared, 1):
        yield from (f"Rule {number}: {mistake}" for mistake in _rule_mistakes(rule))


def _rule_mistakes(declared: Any) -> Iterator[str]:
    if not isinstance(declared, dict):
        yield f"it is {declared!r}; write it as a table, starting with a line [[rules]]."
        return
    measure = MEASURES.get(str(declared.get("measure")))
    if measure is None:
        yield f"measure is {declared.get('measure')!r}; it must be one of {', '.join(MEASURES)}."
        return
    yield from _unknown("it", declared, (*_OPTIONS, *measure.bounds, *measure.options))
    yield from _metric_mistakes(declared, measure)
    yield from _bound_mistakes(declared, measure)
    yield from _confidence_mistakes("confidence", declared)
    if "confidence" in declared and not measure.has_interval:
        yield f"confidence is given, but {declared['measure']} has no interval; remove it."
    yield from _option_mistakes(declared)


def _metric_mistakes(declared: dict[str, Any], measure: Measure) -> Iterator[str]:
    metric = declared.get("metric")
    if measure.has_metric and not (isinstance(metric, str) and metric):
        yield f"metric is {metric!r}; {declared['measure']} needs the name of a metric, such as 'correct'."
    if not measure.has_metric and metric is not None:
        yield f"metric is {metric!r}, but {declared['measure']} is about the whole run; remove it."


def _bound_mistakes(declared: dict[str, Any], measure: Measure) -> Iterator[str]:
    given = [bound for bound in measure.bounds if bound in declared]
    if not given:
        yield f"it has no bound; give it {_either(measure.bounds)}."
    for bound in given:
        value = declared[bound]
        if not _is_number(value):
            yield f"{bound} is {value!r}; it must be a number: {BOUNDS[bound]}."
        elif is_relative(bound) and value < 0:
            yield f"{bound} is {value}; it must not be negative: {BOUNDS[bound]}."


def _option_mistakes(declared: dict[str, Any]) -> Iterator[str]:
    name, better = declared.get("name", ""), declared.get("better", "higher")
    if not isinstance(name, str):
        yield f"name is {name!r}; it must be a text."
    if better not in ("higher", "lower"):
        yield f"better is {better!r}; it must be 'higher' or 'lower'."
    tolerance = declared.get("tolerance", 0)
    if not _is_number(tolerance) or tolerance < 0:
        yield f"tolerance is {tolerance!r}; it must be a number of 0 or more: how much worse a row may get."
    error_value = declared.get("error_value", 0)
    if not _is_number(error_value):
        yield f"error_value is {error_value!r}; it must be a number: what a failed trial counts as."


def _confidence_mistakes(name: str, declared: dict[str, Any]) -> Iterator[str]:
    value = declared.get(name, 0.5)
    if not _is_number(value) or not 0 < value < 1:
        yield f"{name} is {value!r}; it must be a number between 0 and 1, such as 0.95."


def _unknown(subject: str, declared: dict[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    for name in declared:
        if name not in known:
            yield f"{subject} has {name!r}, which is unknown; it may have {', '.join(known)}."


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
