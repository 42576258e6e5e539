"""What the demo's tables hold, and questions to ask them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, inspect, select, text

from ..warehouse.metadata import sql_tables
from ..warehouse.profiles import Profile


class Query(NamedTuple):
    """A question and the SQL that answers it, for DuckDB and the dataset `weave`."""

    title: str
    sql: str


PASS_RATES = Query(
    "How good is each model, run by run?",
    """\
SELECT run.evaluation_name                         AS evaluation,
       run.model_name                              AS model,
       left(run.model_digest, 6)                   AS version,
       run.started_at::DATE                        AS day,
       coalesce(run.display_name, run.run_id)      AS run,
       run.status,
       count(*)                                    AS trials,
       round(100 * avg(score.value_bool::INT), 1)  AS percent_correct,
       round(median(trial.latency_seconds), 2)     AS median_seconds,
       run.total_tokens                            AS tokens
FROM weave.evaluation_runs AS run
JOIN weave.scores AS score USING (run_id)
JOIN weave.trials AS trial USING (trial_id)
WHERE score.scorer_name = 'correct'
GROUP BY ALL
ORDER BY evaluation, model, day, run""",
)

REGRESSIONS = Query(
    "What did a new version of a model break?",
    """\
WITH answers AS (
    SELECT run.evaluation_name, run.model_name, run.model_digest, run.run_id, run.started_at, score.row_digest,
           bool_and(score.value_bool)              AS always_right,
           bool_or(score.value_bool)               AS ever_right,
           any_value(trial.output ->> '$.answer')  AS answer
    FROM weave.evaluation_runs AS run
    JOIN weave.scores AS score USING (run_id)
    JOIN weave.trials AS trial USING (trial_id)
    WHERE score.scorer_name = 'correct'
    GROUP BY ALL
), compared AS (
    SELECT *, lag(always_right) OVER history AS was_right, lag(model_digest) OVER history AS earlier_digest
    FROM answers
    WINDOW history AS (PARTITION BY evaluation_name, model_name, row_digest ORDER BY started_at)
)
SELECT model_name                         AS model,
       left(model_digest, 6)              AS version,
       started_at::DATE                   AS day,
       input.inputs ->> '$.question'      AS question,
       input.inputs ->> '$.expected'      AS expected,
       answer
FROM compared
JOIN weave.dataset_rows AS input USING (row_digest)
WHERE was_right AND NOT ever_right AND model_digest <> earlier_digest
ORDER BY day, question""",
)

FLAKY_ROWS = Query(
    "Which questions does a model get right only sometimes in one run?",
    """\
SELECT run.model_name                           AS model,
       run.started_at::DATE                     AS day,
       run.display_name                         AS run,
       input.inputs ->> '$.question'            AS question,
       count(*)                                 AS trials,
       count(*) FILTER (WHERE score.value_bool) AS right_trials
FROM weave.scores AS score
JOIN weave.evaluation_runs AS run USING (run_id)
JOIN weave.dataset_rows AS input USING (row_digest)
WHERE score.scorer_name = 'correct'
GROUP BY ALL
HAVING right_trials BETWEEN 1 AND trials - 1
ORDER BY day, question""",
)

QUERIES = (PASS_RATES, REGRESSIONS, FLAKY_ROWS)
"""Queries to try on the demo's tables, in schema `weave`."""


def summary(connection: Connection, profile: Profile) -> str:
    """A few lines on the tables: runs by status, the days that they span, rows by table."""
    tables = sql_tables(profile.dataset, profile.warehouse)
    runs = tables["evaluation_runs"].c
    by_status = connection.execute(select(runs.status, func.count()).group_by(runs.status)).all()
    first, last = connection.execute(select(func.min(runs.started_at), func.max(runs.started_at))).one()
    counts = ", ".join(f"{count} {status}" for status, count in sorted(by_status, key=lambda row: -row[1]))
    total = sum(count for _, count in by_status)
    there = set(inspect(connection).get_table_names(schema=profile.dataset))
    rows = {name: connection.scalar(select(func.count()).select_from(tables[name])) for name in tables if name in there}
    span = f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}" if total else ""
    return "\n".join([f"{total} evaluation runs {span}: {counts}.", "", *_aligned(list(rows.items()))])


def answer(connection: Connection, query: Query) -> str:
    """The answer to a query as a table of text."""
    found = connection.execute(text(query.sql))
    return "\n".join(_aligned([tuple(found.keys()), *found.all()]))


def _aligned(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Rows as lines of aligned columns; numbers to the right."""
    columns = [_column(values) for values in zip(*rows, strict=True)]
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def _column(values: Sequence[Any]) -> list[str]:
    cells = ["" if value is None else str(value) for value in values]
    width = max(map(len, cells))
    has_numbers = any(isinstance(value, int | float) for value in values)
    return [cell.rjust(width) if has_numbers else cell.ljust(width) for cell in cells]
