-- Leaderboard: one row for each evaluation version, metric and model version, ranked: its latest completed full run of which no more than half failed.
-- key: run_id, metric
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- rank: Place among the models of the same evaluation version and metric, from 1, taking higher as better. Means that only rounding tells apart share it.
-- model_count: Number of models ranked together.
-- is_newest_evaluation: Whether no other version of the evaluation has a newer run.
-- row_count: Rows that have a value.
-- mean_value: Mean of the rows' means; true counts 1 and false 0.
-- cost_per_trial: Mean cost of a trial, in US dollars.
-- latency_p50: Median latency, in seconds.
-- run_started_at: When the run started.
WITH candidate AS (
  SELECT
    r.run_id,
    p.cost_per_trial,
    p.latency_p50,
    ROW_NUMBER() OVER (
      PARTITION BY r.evaluation_id, r.model_id ORDER BY r.started_at DESC, r.run_id DESC
    ) AS age
  FROM dim_runs AS r
  JOIN dim_evaluations AS e ON e.evaluation_id = r.evaluation_id
  JOIN fct_run_performance AS p ON p.run_id = r.run_id
  WHERE
    r.status = 'completed'
    AND COALESCE(r.is_reconciled, TRUE)
    AND r.row_count = e.row_count
    AND COALESCE(p.error_rate, 0) <= 0.5
),
ordered AS (
  SELECT
    s.*,
    c.cost_per_trial,
    c.latency_p50,
    ROW_NUMBER() OVER (
      PARTITION BY s.evaluation_id, s.metric
      ORDER BY CASE WHEN s.mean_value IS NULL THEN 1 ELSE 0 END, s.mean_value DESC, s.run_id
    ) AS place,
    LAG(s.mean_value) OVER (
      PARTITION BY s.evaluation_id, s.metric
      ORDER BY CASE WHEN s.mean_value IS NULL THEN 1 ELSE 0 END, s.mean_value DESC, s.run_id
    ) AS next_better
  FROM candidate AS c
  JOIN fct_run_scores AS s ON s.run_id = c.run_id
  WHERE c.age = 1
)
SELECT
  s.run_id,
  s.project_id,
  s.evaluation_id,
  s.evaluation_name,
  e.is_newest AS is_newest_evaluation,
  s.metric,
  s.scorer_name,
  CASE
    WHEN s.mean_value IS NOT NULL
      THEN MAX(CASE WHEN s.next_better IS NULL OR NOT is_same(s.next_better, s.mean_value) THEN s.place END)
        OVER (PARTITION BY s.evaluation_id, s.metric ORDER BY s.place)
  END AS rank,
  COUNT(*) OVER (PARTITION BY s.evaluation_id, s.metric) AS model_count,
  s.model_id,
  s.model_name,
  s.is_binary,
  s.row_count,
  s.mean_value,
  s.mean_low,
  s.mean_high,
  s.pass_rate,
  s.pass_rate_low,
  s.pass_rate_high,
  s.cost_per_trial,
  s.latency_p50,
  s.run_started_at
FROM ordered AS s
JOIN dim_evaluations AS e ON e.evaluation_id = s.evaluation_id
