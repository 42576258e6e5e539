"""A LookML dashboard over the views: how good, how fast, how expensive, what got worse, and how fresh it all is."""

from __future__ import annotations

from typing import Any

import yaml

_FILTERS = (
    ("Project", "dim_runs", "dim_runs.project_id"),
    ("Evaluation", "dim_runs", "dim_runs.evaluation_name"),
    ("Model", "dim_runs", "dim_runs.model_name"),
    ("Metric", "fct_run_scores", "fct_run_scores.metric"),
)

_TILES: tuple[dict[str, Any], ...] = (
    {"title": "Runs", "explore": "dim_runs", "type": "single_value", "fields": ["dim_runs.count"]},
    {
        "title": "Pass rate",
        "explore": "fct_run_scores",
        "type": "single_value",
        "fields": ["fct_run_scores.overall_pass_rate"],
    },
    {
        "title": "Trials with an error",
        "explore": "fct_run_performance",
        "type": "single_value",
        "fields": ["fct_run_performance.overall_error_rate"],
    },
    {"title": "Cost", "explore": "dim_runs", "type": "single_value", "fields": ["dim_runs.total_cost_sum"]},
    {
        "title": "Pass rate by day and model",
        "explore": "fct_run_scores",
        "type": "looker_line",
        "fields": ["fct_run_scores.run_started_date", "fct_run_scores.model_name", "fct_run_scores.overall_pass_rate"],
        "pivots": ["fct_run_scores.model_name"],
        "sorts": ["fct_run_scores.run_started_date"],
    },
    {
        "title": "Latency and cost by model",
        "explore": "fct_trials",
        "type": "looker_grid",
        "fields": [
            "fct_trials.model_name", "fct_trials.count", "fct_trials.latency_p50", "fct_trials.latency_p95",
            "fct_trials.total_cost_average", "fct_trials.total_tokens_average", "fct_trials.error_rate",
        ],
        "sorts": ["fct_trials.latency_p95 desc"],
    },
    {
        "title": "Leaderboard of the newest evaluation version",
        "explore": "fct_leaderboard",
        "type": "looker_grid",
        "fields": [
            "fct_leaderboard.evaluation_name", "fct_leaderboard.metric", "fct_leaderboard.rank",
            "fct_leaderboard.model_name", "fct_leaderboard.mean_value", "fct_leaderboard.row_count",
            "fct_leaderboard.cost_per_trial", "fct_leaderboard.latency_p50",
        ],
        "filters": {"fct_leaderboard.is_newest_evaluation": "Yes"},
        "sorts": ["fct_leaderboard.evaluation_name", "fct_leaderboard.metric", "fct_leaderboard.rank"],
    },
    {
        "title": "Inputs that models get wrong",
        "explore": "fct_worst_rows",
        "type": "looker_grid",
        "fields": [
            "fct_worst_rows.metric", "fct_worst_rows.rank", "dim_inputs.input_text", "fct_worst_rows.mean_value",
            "fct_worst_rows.model_count", "fct_worst_rows.failed_model_count",
        ],
        "filters": {"fct_worst_rows.is_newest_evaluation": "Yes"},
        "sorts": ["fct_worst_rows.rank", "fct_worst_rows.metric"],
    },
    {
        "title": "Inputs that sometimes pass",
        "explore": "fct_flaky_rows",
        "type": "looker_grid",
        "fields": [
            "fct_flaky_rows.model_name", "fct_flaky_rows.metric", "dim_inputs.input_text",
            "fct_flaky_rows.scored_count", "fct_flaky_rows.pass_rate",
        ],
        "sorts": ["fct_flaky_rows.pass_rate"],
    },
    {
        "title": "How fresh and proven the tables are",
        "explore": "fct_freshness",
        "type": "looker_grid",
        "fields": [
            "fct_freshness.project_id", "fct_freshness.last_sync_finished_time", "fct_freshness.run_count",
            "fct_freshness.running_count", "fct_freshness.unreconciled_count", "fct_freshness.last_error",
        ],
        "sorts": ["fct_freshness.project_id"],
    },
)  # fmt: skip

_COLUMNS = 24
_SMALL, _LARGE = (6, 3), (12, 8)


def dashboard(model: str, fields: dict[str, set[str]]) -> str:
    """The dashboard as YAML. `fields` are those of each view, to bind the filters of the dashboard to."""
    made = {
        "dashboard": "weave_evaluations",
        "title": "Weave evaluations",
        "layout": "newspaper",
        "preferred_viewer": "dashboards-next",
        "filters": [_filter(model, *declared) for declared in _FILTERS],
        "elements": _elements(model, fields),
    }
    return yaml.safe_dump([made], sort_keys=False, allow_unicode=True, width=120)


def _filter(model: str, title: str, explore: str, field: str) -> dict[str, Any]:
    return {
        "name": title,
        "title": title,
        "type": "field_filter",
        "default_value": "",
        "allow_multiple_values": True,
        "required": False,
        "model": model,
        "explore": explore,
        "field": field,
    }


def _elements(model: str, fields: dict[str, set[str]]) -> list[dict[str, Any]]:
    elements, row, column, height = [], 0, 0, 0
    for tile in _TILES:
        width, tall = _SMALL if tile["type"] == "single_value" else _LARGE
        if column + width > _COLUMNS:
            row, column, height = row + height, 0, 0
        place = {"row": row, "col": column, "width": width, "height": tall}
        column, height = column + width, max(height, tall)
        name = tile["title"].lower().replace(" ", "_")
        elements.append(
            {"name": name, "model": model, **tile, "listen": _listening(tile, fields), "limit": 500, **place}
        )
    return elements


def _listening(tile: dict[str, Any], fields: dict[str, set[str]]) -> dict[str, str]:
    """The dashboard's filters that the tile's own view has the field of."""
    view = tile["explore"]
    names = ((title, field.partition(".")[2]) for title, _, field in _FILTERS)
    return {title: f"{view}.{name}" for title, name in names if name in fields[view]}
