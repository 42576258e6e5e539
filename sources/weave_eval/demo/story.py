"""What the demo's tables hold, and questions to ask them."""

from __future__ import annotations

from typing import NamedTuple

from duckdb import DuckDBPyConnection


class Query(NamedTuple):
    """A question and the SQL that answers it, for DuckDB."""

    title: str
    sql: str


PASS_RATES = Query(
    "How good is each model, run by run?",
    """\
SELECT run.evaluation_name                         AS evaluation,
       run.model_name                              AS model,
       left(run.model_digest, 6)                   AS version,
       strftime(run.started_at, '%b %d')           AS day,
       run.status,
       count(*)                                    AS trials,
       round(100 * avg(score.value_bool::INT), 1)  AS percent_correct,
       round(median(trial.latency_seconds), 2)     AS median_seconds,
       run.total_tokens                            AS tokens
FROM weave.evaluation_runs AS run
JOIN weave.scores AS score USING (run_id)
JOIN weave.trials AS trial USING (trial_id)
WHERE score.scorer_name = 'correct'
GROUP BY ALL, run.run_id, run.started_at
ORDER BY evaluation, model, run.started_at""",
)

REGRESSIONS = Query(
    "What did a new version of a model break?",
    """\
WITH answers AS (
    SELECT run.evaluation_name, run.model_name, run.model_digest, run.started_at, score.row_digest,
           bool_and(score.value_bool)              AS always_right,
           bool_or(score.value_bool)               AS ever_right,
           any_value(trial.output ->> '$.answer')  AS answer
    FROM weave.evaluation_runs AS run
    JOIN weave.scores AS score USING (run_id)
    JOIN weave.trials AS trial USING (trial_id)
    WHERE score.scorer_name = 'correct'
    GROUP BY ALL, run.run_id
), compared AS (
    SELECT *, lag(always_right) OVER history AS was_right, lag(model_digest) OVER history AS earlier_digest
    FROM answers
    WINDOW history AS (PARTITION BY evaluation_name, model_name, row_digest ORDER BY started_at)
)
SELECT model_name                         AS model,
       left(model_digest, 6)              AS version,
       strftime(started_at, '%b %d')      AS day,
       input.inputs ->> '$.question'      AS question,
       input.inputs ->> '$.expected'      AS expected,
       answer
FROM compared
JOIN weave.dataset_rows AS input USING (row_digest)
WHERE was_right AND NOT ever_right AND model_digest <> earlier_digest
ORDER BY started_at, question""",
)

FLAKY_ROWS = Query(
    "Which questions does a model get right only sometimes in one run?",
    """\
SELECT run.model_name                           AS model,
       strftime(run.started_at, '%b %d')        AS day,
       input.inputs ->> '$.question'            AS question,
       count(*)                                 AS trials,
       count(*) FILTER (WHERE score.value_bool) AS right_trials
FROM weave.scores AS score
JOIN weave.evaluation_runs AS run USING (run_id)
JOIN weave.dataset_rows AS input USING (row_digest)
WHERE score.scorer_name = 'correct'
GROUP BY ALL, run.run_id, run.started_at
HAVING right_trials BETWEEN 1 AND trials - 1
ORDER BY run.started_at, question""",
)

QUERIES = (PASS_RATES, REGRESSIONS, FLAKY_ROWS)
"""Queries to try on the demo's tables, in schema `weave`."""


def summary(connection: DuckDBPyConnection) -> str:
    """A few lines on the tables: runs by status, the time that they span, rows by table."""
    lines = [_runs(connection), "", *_tables(connection)]
    return "\n".join(lines)


def _runs(connection: DuckDBPyConnection) -> str:
    by_status = connection.sql(
        "SELECT status, count(*) FROM weave.evaluation_runs GROUP BY status ORDER BY count(*) DESC, status"
    ).fetchall()
    span = connection.sql("SELECT min(started_at)::DATE, max(started_at)::DATE FROM weave.evaluation_runs").fetchone()
    if not by_status or not span:
        return "There are no evaluation runs."
    counts = ", ".join(f"{count} {status}" for status, count in by_status)
    total = sum(count for _, count in by_status)
    return f"{total} evaluation runs from {span[0]} to {span[1]}: {counts}."


def _tables(connection: DuckDBPyConnection) -> list[str]:
    names = connection.sql(
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = 'weave' AND table_type = 'BASE TABLE' AND NOT starts_with(table_name, '_dlt') "
        "ORDER BY table_name"
    ).fetchall()
    counts = {name: connection.table(f"weave.{name}").shape[0] for (name,) in names}
    width = max(map(len, counts), default=0)
    return [f"  {name:<{width}}  {count:>6,} rows" for name, count in counts.items()]
