"""Reads what the report shows, with plain selects that every warehouse knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, TableClause, case, func, select

from .content import name
from .facts import (
    Drift,
    Facts,
    FailedTrial,
    FlakyRow,
    Freshness,
    MissingScore,
    ReportedRun,
    Score,
    ScorerChange,
    WorstRow,
)
from .request import Request

MOST_RUNS = 2000
MOST_FAILED_TRIALS = 40
MOST_FLAKY_ROWS = 200
_MAX_IDS = 500

Fact = TypeVar("Fact")
Views = dict[str, TableClause]


class ViewQueries:
    """Reads the views of a dataset over one connection."""

    def __init__(self, connection: Connection, views: Views):
        self._connection = connection
        self._views = views

    def facts(self, request: Request, run_ids: Collection[str]) -> Facts:
        """What the request is about; `run_ids` are those that it names."""
        runs, left_out = self._runs(request, run_ids)
        ids = [run.run_id for run in runs]
        models = {run.model_id for run in runs}
        is_known = self._views["fct_scorer_changes"].c.difference.is_not(None)
        changes = list(self._of_runs(ScorerChange, "fct_scorer_changes", ids, is_known))
        return Facts(
            runs=runs,
            runs_left_out=left_out,
            scores=self._scores(ids),
            too_large=self._too_large(ids),
            scorers=self._scorers(ids),
            scorer_changes=changes,
            drifts=list(self._of_runs(Drift, "fct_dataset_drift", ids)),
            flaky_rows=[row for row in self._flaky_rows(request) if row.model_id in models],
            missing_scores=self._missing_scores(ids),
            failed_trials=self._failed_trials(ids),
            freshness=self._freshness(request.projects),
        )

    def worst_rows(self, run_ids: Sequence[str], metric: str, most: int) -> list[WorstRow]:
        """The inputs with the lowest mean over some runs, lowest first; of a pass rate only those that any failed."""
        rows = self._views["fct_row_scores"].c
        is_failed = case((rows.is_passed, 0), else_=1)
        mean = func.avg(rows.mean_value)
        columns = (
            rows.row_digest,
            mean,
            func.count(),
            func.sum(is_failed),
            func.min(case((rows.is_binary, 1), else_=0)),
        )
        query = select(*columns).where(rows.run_id.in_(run_ids), rows.metric == metric).group_by(rows.row_digest)
        found = self._connection.execute(query.order_by(mean, rows.row_digest).limit(most)).all()
        worst = [WorstRow(digest, float(value), int(n), int(failed)) for digest, value, n, failed, _ in found]
        is_binary = all(is_binary for *_, is_binary in found)
        return [row for row in worst if row.failed_count] if is_binary else worst

    def row_values(self, run_ids: Sequence[str], metric: str, digests: Sequence[str]) -> dict[tuple[str, str], float]:
        """The mean of a metric for some rows, by run and row."""
        rows = self._views["fct_row_scores"].c
        query = select(rows.run_id, rows.row_digest, rows.mean_value).where(rows.metric == metric)
        found = self._connection.execute(query.where(rows.run_id.in_(run_ids), rows.row_digest.in_(digests)))
        return {(run_id, digest): float(value) for run_id, digest, value in found}

    def _runs(self, request: Request, run_ids: Collection[str]) -> tuple[list[ReportedRun], int]:
        """The newest runs by their start, and how many older ones were left out."""
        runs = self._views["dim_runs"].c
        conditions = list(_conditions(self._views["dim_runs"], request, run_ids))
        total = self._connection.scalar(select(func.count()).select_from(self._views["dim_runs"]).where(*conditions))
        query = self._select_runs().where(*conditions)
        newest = query.order_by(runs.started_at.desc(), runs.run_id.desc()).limit(MOST_RUNS)
        found = [_run(row) for row in self._connection.execute(newest)]
        return list(reversed(found)), int(total or 0) - len(found)

    def _select_runs(self) -> Select[Any]:
        views = self._views
        runs, performance = views["dim_runs"], views["fct_run_performance"]
        evaluations, models = views["dim_evaluations"], views["dim_models"]
        joined = (
            runs.outerjoin(performance, performance.c.run_id == runs.c.run_id)
            .outerjoin(evaluations, evaluations.c.evaluation_id == runs.c.evaluation_id)
            .outerjoin(models, models.c.model_id == runs.c.model_id)
        )
        own = [each for each in performance.c if each.name != "run_id"]
        size = evaluations.c.row_count.label("evaluation_row_count")
        return select(*runs.c, *own, size, models.c.version_index).select_from(joined)

    def _scores(self, run_ids: Sequence[str]) -> dict[str, dict[str, Score]]:
        found: dict[str, dict[str, Score]] = defaultdict(dict)
        for row in self._rows("fct_run_scores", run_ids, self._views["fct_run_scores"].c.mean_value.is_not(None)):
            found[row.run_id][row.metric] = _score(row)
        return dict(found)

    def _too_large(self, run_ids: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for row in self._rows("fct_run_scores", run_ids, self._views["fct_run_scores"].c.mean_value.is_(None)):
            found[row.run_id].append(row.metric)
        return dict(found)

    def _scorers(self, run_ids: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for row in self._rows("dim_run_scorers", run_ids):
            found[row.run_id].add(row.scorer_name)
        return {run_id: sorted(names) for run_id, names in found.items()}

    def _missing_scores(self, run_ids: Sequence[str]) -> list[MissingScore]:
        wanted = self._views["fct_missing_scores"].c.missing_count > 0
        return sorted(self._of_runs(MissingScore, "fct_missing_scores", run_ids, wanted), key=lambda one: one.metric)

    def _failed_trials(self, run_ids: Sequence[str]) -> list[FailedTrial]:
        trials = self._views["fct_trials"].c
        found = self._of_runs(FailedTrial, "fct_trials", run_ids, trials.is_error, most=MOST_FAILED_TRIALS)
        return sorted(found, key=lambda one: (one.run_id, one.row_digest, one.error or ""))

    def _flaky_rows(self, request: Request) -> Iterator[FlakyRow]:
        rows = self._views["fct_flaky_rows"].c
        conditions: list[ColumnElement[bool]] = []
        conditions += [rows.project_id.in_(request.projects)] if request.projects else []
        conditions += [rows.last_run_at >= request.since] if request.since else []
        order = (rows.disagreement.desc(), rows.last_run_at.desc(), rows.row_digest, rows.metric, rows.model_id)
        query = select(self._views["fct_flaky_rows"]).where(*conditions).order_by(*order).limit(MOST_FLAKY_ROWS)
        return (_fact(FlakyRow, row) for row in self._connection.execute(query))

    def _freshness(self, projects: Sequence[str]) -> list[Freshness]:
        view = self._views["fct_freshness"]
        query = select(view).where(view.c.project_id.in_(projects)) if projects else select(view)
        return [_fact(Freshness, row) for row in self._connection.execute(query.order_by(view.c.project_id))]

    def _of_runs(
        self,
        kind: type[Fact],
        view: str,
        run_ids: Sequence[str],
        condition: ColumnElement[bool] | None = None,
        most: int | None = None,
    ) -> Iterator[Fact]:
        for row in self._rows(view, run_ids, condition, most):
            yield _fact(kind, row)

    def _rows(
        self,
        view: str,
        run_ids: Sequence[str],
        condition: ColumnElement[bool] | None = None,
        most: int | None = None,
    ) -> Iterable[Row[Any]]:
        """The rows of a view that belong to some runs; `most` of the newest runs where it is given."""
        table = self._views[view]
        query = select(table) if condition is None else select(table).where(condition)
        left = most
        for start in range(len(run_ids), 0, -_MAX_IDS):
            chosen = query.where(table.c.run_id.in_(run_ids[max(0, start - _MAX_IDS) : start]))
            ordered = chosen.order_by(table.c.run_id.desc()).limit(left) if left is not None else chosen
            found = self._connection.execute(ordered).all()
            yield from found
            left = None if left is None else left - len(found)
            if left == 0:
                return


def _conditions(runs: TableClause, request: Request, run_ids: Collection[str]) -> Iterator[ColumnElement[bool]]:
    if request.projects:
        yield runs.c.project_id.in_(list(request.projects))
    if request.since:
        yield runs.c.started_at >= request.since
    if run_ids:
        yield runs.c.run_id.in_(sorted(run_ids))


def _fact(kind: type[Fact], row: Row[Any]) -> Fact:
    """A row as a dataclass with fields of the same names."""
    values = row._mapping  # noqa: SLF001 - public, in spite of its name
    return kind(**{each.name: _value(values[each.name]) for each in fields(kind)})  # type: ignore[arg-type]


def _run(row: Row[Any]) -> ReportedRun:
    values = {key: _value(value) for key, value in row._mapping.items()}  # noqa: SLF001 - public
    size, index, digest = values.pop("evaluation_row_count"), values.pop("version_index"), values.pop("model_digest")
    is_full = values["status"] == "completed" and bool(size) and values["row_count"] == size
    version = f"v{index}" if index is not None else name(str(digest or ""))[:6]
    counts = ("row_count", "expected_trial_count", "trial_count", "error_count")
    names = {"evaluation_name": "unnamed evaluation", "model_name": "unnamed model"}
    given = {each.name: values[each.name] for each in fields(ReportedRun) if each.name in values}
    own: dict[str, Any] = {**given, **{key: given[key] or 0 for key in counts}}
    own.update({key: name(given[key] or unnamed) for key, unnamed in names.items()})
    own["run_name"] = name(given["run_name"] or given["run_id"])
    has_mostly_failed = float(values["error_rate"] or 0) > 0.5
    return ReportedRun(**own, version=version, is_full=is_full, has_mostly_failed=has_mostly_failed)


def _score(row: Row[Any]) -> Score:
    is_binary, value = bool(row.is_binary), float(row.mean_value)
    low, high = (row.pass_rate_low, row.pass_rate_high) if is_binary else (row.mean_low, row.mean_high)
    bounds = [None if bound is None else float(bound) for bound in (low, high)]
    if is_binary:
        bounds = [None if bound is None else min(1.0, max(0.0, bound)) for bound in bounds]
    return Score(
        run_id=row.run_id,
        metric=row.metric,
        scorer_name=row.scorer_name,
        is_binary=is_binary,
        row_count=int(row.row_count),
        scored_count=int(row.scored_count),
        value=value,
        low=bounds[0],
        high=bounds[1],
    )


def _value(value: Any) -> Any:
    """A value as Python has it in every warehouse: times in UTC, numbers as float or int."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
