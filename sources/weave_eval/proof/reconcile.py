"""What Weave says of a run against what landed: counts, and every scorer stat computed again from the scores.

Weave's arithmetic, as its server does it: one stat for each scorer and path, where a path joins keys with dots and
escapes nothing, so that several leaves can share one. True or false, numbers and texts count as trials; nulls, lists
and empty objects do not. A bare value and the value under an empty key share the path that is empty here.

Four things are excused, and noted among the differences with the reason:

- Weave counts rows whose digest is empty as one row, but delivers neither them nor their trials.
- A number that is not finite, or so large that sums overflow, has counts but no mean to compare.
- A number that is not finite can be counted by Weave and yet be delivered as null.
- Older versions of Weave count no texts at all.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ..weave.pages import ScorerStat

LARGEST_SUMMED = 1e200
"""Magnitude above which a number takes no part in sums: they would overflow."""

MAX_DIFFERENCES = 100
"""Differences that are listed for a run; all are counted."""

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_RELATIVE, _RELATIVE_PER_NUMBER, _ABSOLUTE = 1e-12, 2e-15, 1e-300
_BLANK_DIGEST = "rows whose digest is empty are counted by Weave, but not delivered"
_NO_MEAN = "numbers that are not finite, or too large for a sum, have no mean to compare"
_HIDDEN_NUMBERS = "numbers that are not finite are counted by Weave, but delivered as null"
_UNCOUNTED_TEXTS = "older versions of Weave count no texts"

_Path = tuple[str, str]

Difference = dict[str, Any]
"""`what` differs, `api` and `ours`; for a stat its `scorer` and `path`; `excused` with the reason if it is no fault."""


@dataclass(frozen=True)
class Leaf:
    """The scores of a run under one scorer and path, aggregated.

    `path` is escaped as in `scores`. `number_sum` and `number_magnitude` are the sums of the numbers and of their
    absolute values; the `unsummed_count` numbers beyond `LARGEST_SUMMED` or without a double are in neither.
    """

    scorer_name: str
    path: str
    binary_count: int = 0
    true_count: int = 0
    number_count: int = 0
    number_sum: float = 0.0
    number_magnitude: float = 0.0
    unsummed_count: int = 0
    text_count: int = 0
    null_count: int = 0

    @property
    def trial_count(self) -> int:
        """Scores that Weave counts."""
        return self.binary_count + self.number_count + self.text_count

    @property
    def value_types(self) -> set[str]:
        """The types of the scores that Weave counts."""
        counts = {"binary": self.binary_count, "continuous": self.number_count, "text": self.text_count}
        return {value_type for value_type, count in counts.items() if count}


@dataclass(frozen=True)
class ApiFacts:
    """What Weave says of a run. `trial_count` is None, and `stats` empty, if its summary does not name the run.

    What Weave fails to say is not compared: `row_count` is None then, and `has_stats` false. `trial_calls` is the
    calls API's count of trials, which results can lack: an answer can be short or empty without a sign.
    """

    run_id: str
    row_count: int | None
    trial_count: int | None
    stats: Sequence[ScorerStat]
    has_stats: bool = True
    trial_calls: int | None = None


@dataclass(frozen=True)
class Landed:
    """What a warehouse holds of a run. `trial_row_count` counts the distinct rows that its trials belong to."""

    run_id: str
    row_count: int
    trial_count: int
    trial_row_count: int
    leaves: Sequence[Leaf]


@dataclass(frozen=True)
class Reconciliation:
    """The comparison, with the columns of the table `reconciliations`.

    `differences` lists at most `MAX_DIFFERENCES`, those that are no fault last.
    """

    run_id: str
    api_row_count: int | None
    row_count: int
    api_trial_count: int | None
    trial_count: int
    stats_checked: int
    stats_differing: int
    is_reconciled: bool
    differences: list[Difference]


def reconcile(api: ApiFacts, landed: Landed) -> Reconciliation:
    """Compares what Weave says of a run with what landed."""
    stats, leaves = _stats_by_path(api.stats), _leaves_by_path(landed.leaves)
    found = list(_count_differences(api, landed))
    has_stats = api.has_stats and api.trial_count is not None
    if has_stats and _ignores_texts(stats, leaves):
        texts = sum(leaf.text_count for leaf in leaves.values())
        found.append(_difference("text_count", 0, texts, _UNCOUNTED_TEXTS))
        leaves = {key: replace(leaf, text_count=0) for key, leaf in leaves.items()}
    by_stat = _stat_differences(stats, leaves) if has_stats else []
    found += [difference for each in by_stat for difference in each]
    faults = [difference for difference in found if _is_fault(difference)]
    excused = [difference for difference in found if not _is_fault(difference)]
    return Reconciliation(
        run_id=landed.run_id,
        api_row_count=api.row_count,
        row_count=landed.row_count,
        api_trial_count=api.trial_count,
        trial_count=landed.trial_count,
        stats_checked=len(by_stat),
        stats_differing=sum(any(map(_is_fault, each)) for each in by_stat),
        is_reconciled=not faults,
        differences=[*faults, *excused][:MAX_DIFFERENCES],
    )


def _is_fault(difference: Difference) -> bool:
    return "excused" not in difference


def _count_differences(api: ApiFacts, landed: Landed) -> Iterator[Difference]:
    rows, trials = api.row_count, api.trial_count or 0
    has_blank = trials == landed.trial_count and rows == landed.row_count + 1
    if rows is not None and rows != landed.row_count:
        yield _difference("row_count", api.row_count, landed.row_count, _BLANK_DIGEST if has_blank else None)
    if landed.trial_row_count != landed.row_count:
        yield _difference("row_count of trials", api.row_count, landed.trial_row_count)
    if trials != landed.trial_count:
        yield _difference("trial_count", api.trial_count, landed.trial_count)
    if api.trial_calls is not None and api.trial_calls != landed.trial_count:
        is_hidden = has_blank and api.trial_calls > landed.trial_count
        reason = _BLANK_DIGEST if is_hidden else None
        yield _difference("trial_call_count", api.trial_calls, landed.trial_count, reason)


def _difference(what: str, api: Any, ours: Any, excused: str | None = None) -> Difference:
    difference = {"what": what, "api": api, "ours": ours}
    return {**difference, "excused": excused} if excused else difference


def _stat_differences(stats: dict[_Path, ScorerStat], leaves: dict[_Path, Leaf]) -> list[list[Difference]]:
    """The differences of each stat that Weave or we have."""
    counted = {key for key, leaf in leaves.items() if leaf.trial_count}
    return [
        [{"scorer": key[0], "path": key[1], **found} for found in _compare(stats.get(key), leaves.get(key))]
        for key in sorted(stats.keys() | counted)
    ]


def _ignores_texts(stats: dict[_Path, ScorerStat], leaves: dict[_Path, Leaf]) -> bool:
    """Whether Weave counted none of the texts, in no leaf that has some."""
    others = {key: leaf.trial_count - leaf.text_count for key, leaf in leaves.items() if leaf.text_count}
    counted = {key: stats[key].trial_count if key in stats else 0 for key in others}
    return bool(others) and counted == others


def _stats_by_path(stats: Iterable[ScorerStat]) -> dict[_Path, ScorerStat]:
    grouped: dict[_Path, list[ScorerStat]] = defaultdict(list)
    for stat in stats:
        grouped[stat.scorer_key, stat.path or ""].append(stat)
    return {key: each[0] if len(each) == 1 else _merged(each) for key, each in grouped.items()}


def _merged(stats: Sequence[ScorerStat]) -> ScorerStat:
    """One stat for several of the same scorer and path, as if Weave had not told them apart."""
    trials, numbers, known = (_sum(stats, name) for name in ("trial_count", "numeric_count", "pass_known_count"))
    return ScorerStat(
        scorer_key=stats[0].scorer_key,
        path=stats[0].path,
        value_type=stats[0].value_type,
        trial_count=trials,
        numeric_count=numbers,
        numeric_mean=_weighted(stats, "numeric_mean", "numeric_count"),
        pass_known_count=known,
        pass_true_count=_sum(stats, "pass_true_count"),
        pass_rate=_weighted(stats, "pass_rate", "pass_known_count"),
        pass_signal_coverage=_weighted(stats, "pass_signal_coverage", "trial_count"),
    )


def _sum(stats: Sequence[ScorerStat], name: str) -> int:
    return sum(getattr(stat, name) or 0 for stat in stats)


def _weighted(stats: Sequence[ScorerStat], name: str, weight: str) -> float | None:
    """The mean of a field; None if nothing has weight, or the field is missing where something has."""
    weighed = [(getattr(stat, name), getattr(stat, weight)) for stat in stats if getattr(stat, weight)]
    if not weighed or any(value is None for value, _ in weighed):
        return None
    return float(sum(value * count for value, count in weighed) / sum(count for _, count in weighed))


def computed_stats(leaves: Iterable[Leaf]) -> list[ScorerStat]:
    """The scorer stats that Weave's arithmetic gives for what landed, marked as computed here."""
    return [_computed(*path, leaf) for path, leaf in _leaves_by_path(leaves).items() if leaf.trial_count]


def _computed(scorer: str, path: str, leaf: Leaf) -> ScorerStat:
    summed = leaf.number_count - leaf.unsummed_count
    types = [name for name in ("binary", "continuous", "text") if name in leaf.value_types]
    return ScorerStat(
        scorer_key=scorer,
        path=path,
        value_type=types[0],
        trial_count=leaf.trial_count,
        numeric_count=leaf.number_count,
        numeric_mean=leaf.number_sum / summed if summed else None,
        pass_known_count=leaf.binary_count,
        pass_true_count=leaf.true_count,
        pass_rate=_ratio(leaf.true_count, leaf.binary_count),
        pass_signal_coverage=_ratio(leaf.binary_count, leaf.trial_count),
        is_computed=True,
    )


def _leaves_by_path(leaves: Iterable[Leaf]) -> dict[_Path, Leaf]:
    """Leaves by scorer and path as Weave writes it, those that share it merged."""
    merged: dict[_Path, Leaf] = {}
    for leaf in leaves:
        key = (leaf.scorer_name, _ESCAPED.sub(r"\1", leaf.path))
        merged[key] = _added(merged[key], leaf) if key in merged else leaf
    return merged


_SUMS = tuple(field.name for field in fields(Leaf) if field.name not in ("scorer_name", "path"))


def _added(first: Leaf, second: Leaf) -> Leaf:
    return replace(first, **{name: getattr(first, name) + getattr(second, name) for name in _SUMS})


def _compare(stat: ScorerStat | None, leaf: Leaf | None) -> Iterator[Difference]:
    if stat is None or leaf is None:
        yield _difference("stat", stat and stat.trial_count, leaf and leaf.trial_count)
        return
    hidden = _hidden_numbers(stat, leaf)
    if hidden:
        yield _difference("numeric_count", stat.numeric_count, leaf.number_count, _HIDDEN_NUMBERS)
        leaf = replace(leaf, number_count=leaf.number_count + hidden, unsummed_count=leaf.unsummed_count + hidden)
    yield from _compare_counts(stat, leaf)
    yield from _compare_ratios(stat, leaf)


def _hidden_numbers(stat: ScorerStat, leaf: Leaf) -> int:
    """How many of our nulls are numbers to Weave: only a number that is not finite leaves it without a mean."""
    more = (stat.numeric_count or 0) - leaf.number_count
    return more if stat.numeric_mean is None and 0 < more <= leaf.null_count else 0


def _compare_counts(stat: ScorerStat, leaf: Leaf) -> Iterator[Difference]:
    if stat.value_type is not None and stat.value_type not in leaf.value_types:
        yield _difference("value_type", stat.value_type, ", ".join(sorted(leaf.value_types)) or None)
    counts = {
        "trial_count": leaf.trial_count,
        "numeric_count": leaf.number_count,
        "pass_known_count": leaf.binary_count,
        "pass_true_count": leaf.true_count,
    }
    for name, ours in counts.items():
        theirs = getattr(stat, name)
        if theirs is not None and theirs != ours:
            yield _difference(name, theirs, ours)


def _compare_ratios(stat: ScorerStat, leaf: Leaf) -> Iterator[Difference]:
    if leaf.unsummed_count:
        yield _difference("numeric_mean", stat.numeric_mean, None, _NO_MEAN)
    else:
        yield from _compare_mean(stat, leaf)
    ratios = {
        "pass_rate": _ratio(leaf.true_count, leaf.binary_count),
        "pass_signal_coverage": _ratio(leaf.binary_count, leaf.trial_count),
    }
    for name, ours in ratios.items():
        theirs = getattr(stat, name)
        if not _are_close(theirs, ours, _RELATIVE):
            yield _difference(name, theirs, ours)


def _compare_mean(stat: ScorerStat, leaf: Leaf) -> Iterator[Difference]:
    ours = _ratio(leaf.number_sum, leaf.number_count)
    magnitude = _ratio(leaf.number_magnitude, leaf.number_count) or 0.0
    # Weave keeps a running mean: each step rounds the running total, so the error grows with the count, and it is
    # relative to the magnitudes, which cancel out in the mean of numbers of both signs.
    tolerance = magnitude * (_RELATIVE + _RELATIVE_PER_NUMBER * leaf.number_count) + _ABSOLUTE
    if not _are_close(stat.numeric_mean, ours, tolerance):
        yield _difference("numeric_mean", stat.numeric_mean, ours)


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _are_close(theirs: float | None, ours: float | None, tolerance: float) -> bool:
    if theirs is None or ours is None:
        return theirs is ours
    return abs(theirs - ours) <= tolerance
