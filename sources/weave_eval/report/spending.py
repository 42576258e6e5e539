"""What the answers cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..judging.precision import is_computable
from .facts import ReportedRun

_LONGEST = (("day", timedelta(days=10)), ("week", timedelta(days=120)))


@dataclass(frozen=True)
class ModelSpend:
    """What one model cost over its runs; costs and tokens only of runs that report them."""

    model_name: str
    run_count: int
    cost: float
    tokens: int
    trial_count: int

    @property
    def per_thousand(self) -> float | None:
        """US dollars for a thousand answers."""
        return 1000 * self.cost / self.trial_count if self.trial_count else None


@dataclass(frozen=True)
class Spending:
    """What all runs cost, by model and by day, week or month."""

    models: list[ModelSpend]
    period: str
    buckets: list[tuple[datetime, str, float]]
    unpriced_runs: int

    @property
    def total(self) -> float:
        """US dollars over all runs."""
        return sum(model.cost for model in self.models)


def spending(runs: Sequence[ReportedRun]) -> Spending:
    """What runs cost. Runs without a cost, or with one too large to compute with, are counted aside."""
    priced = [run for run in runs if run.total_cost is not None and is_computable(run.total_cost)]
    by_model: dict[str, list[ReportedRun]] = defaultdict(list)
    for run in priced:
        by_model[run.model_name].append(run)
    models = sorted(
        (_model(label, found) for label, found in by_model.items()), key=lambda one: (-one.cost, one.model_name)
    )
    period = _period([run.started_at for run in priced])
    sums: dict[tuple[datetime, str], float] = defaultdict(float)
    for run in priced:
        sums[_start(run.started_at, period), run.model_name] += run.total_cost or 0.0
    buckets = [(start, label, cost) for (start, label), cost in sorted(sums.items())]
    return Spending(models, period, buckets, len(runs) - len(priced))


def _model(label: str, runs: Sequence[ReportedRun]) -> ModelSpend:
    return ModelSpend(
        model_name=label,
        run_count=len(runs),
        cost=sum(run.total_cost or 0.0 for run in runs),
        tokens=sum(run.total_tokens or 0 for run in runs),
        trial_count=sum(run.trial_count for run in runs),
    )


def _period(moments: Sequence[datetime]) -> str:
    if not moments:
        return "day"
    span = max(moments) - min(moments)
    return next((period for period, longest in _LONGEST if span <= longest), "month")


def _start(moment: datetime, period: str) -> datetime:
    start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        return start - timedelta(days=start.weekday())
    return start.replace(day=1) if period == "month" else start
