"""The views that the report reads, as SQLAlchemy tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import TIMESTAMP, ColumnClause, Connection, TableClause, column, inspect, table

from ..errors import SettingsError
from ..warehouse.profiles import Profile

_COLUMNS = {
    "dim_evaluations": "evaluation_id row_count",
    "dim_models": "model_id version_index",
    "dim_run_scorers": "run_id scorer_name",
    "dim_runs": (
        "run_id project_id run_name evaluation_id evaluation_name model_id model_name model_digest status error "
        "started_at finished_at row_count expected_trial_count total_tokens total_cost is_reconciled dataset_ref url"
    ),
    "fct_dataset_drift": "run_id previous_run_id common_row_count added_row_count removed_row_count",
    "fct_flaky_rows": (
        "project_id row_digest model_id model_name metric scorer_ref run_count flaky_run_count scored_count pass_count "
        "disagreement last_run_at"
    ),
    "fct_freshness": (
        "project_id run_count running_count unreconciled_count unproven_count last_run_started_at "
        "last_run_finished_at last_sync_finished_at last_failure_at last_error"
    ),
    "fct_missing_scores": "run_id metric scorer_name expected_trial_count missing_count pass_rate strict_pass_rate",
    "fct_row_scores": "run_id row_digest metric mean_value is_binary is_passed",
    "fct_run_performance": (
        "run_id trial_count error_count error_rate latency_p50 latency_p95 tokens_per_trial cost_per_trial"
    ),
    "fct_run_scores": (
        "run_id metric scorer_name is_binary row_count scored_count mean_value mean_low mean_high pass_rate_low "
        "pass_rate_high"
    ),
    "fct_scorer_changes": (
        "run_id previous_run_id metric scorer_name scorer_ref previous_scorer_ref common_row_count previous_mean "
        "mean_value difference"
    ),
    "fct_trials": "trial_id run_id row_digest trial_index is_error error",
}
_COMPARED_TIMES = ("last_run_at", "started_at")


def report_views(dataset: str) -> dict[str, TableClause]:
    """The views by name, in the schema `dataset`."""
    return {
        name: table(name, *(_column(each) for each in columns.split()), schema=dataset)
        for name, columns in _COLUMNS.items()
    }


def _column(name: str) -> ColumnClause[Any]:
    """A column; times have a type, for BigQuery compares a time only with one of its own type."""
    return column(name, TIMESTAMP(timezone=True)) if name in _COMPARED_TIMES else column(name)


def require_views(connection: Connection, profile: Profile, place: str) -> None:
    """Raises `SettingsError` if a view is missing."""
    there = inspect(connection)
    missing = [name for name in _COLUMNS if not there.has_table(name, schema=profile.dataset_of_views)]
    if not missing:
        return
    some = f"{', '.join(missing[:3])}{', ...' * (len(missing) > 3)}"
    how = "Run weave-eval load once: each load makes the views that are missing."
    if not profile.has_views:
        how = f"The profile {profile.name} switches them off; take out views = false and run weave-eval load once."
    raise SettingsError(f"{place} lacks the views that the report reads ({some}). {how}")
