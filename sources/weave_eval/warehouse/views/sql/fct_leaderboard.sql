-- Leaderboard: one row for each evaluation version, metric and model version: its latest completed full run, ranked.
-- key: run_id, metric
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- rank: Place among the models of the same evaluation version and metric, from 1, taking higher as better.
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
    ROW_NUMBER() OVER (
      PARTITION BY r.evaluation_id, r.model_id ORDER BY r.started_at DESC, r.run_id DESC
    ) AS age
  FROM dim_runs AS r
  JOIN dim_evaluations AS e ON e.evaluation_id = r.evaluation_id
  WHERE r.status = 'completed' AND COALESCE(r.is_reconciled, TRUE) AND r.row_count = e.row_count
)
SELECT
  s.run_id,
  s.project_id,
  s.evaluation_id,
  s.evaluation_name,
  e.is_newest AS is_newest_evaluation,
  s.metric,
  s.scorer_name,
  RANK() OVER (PARTITION BY s.evaluation_id, s.metric ORDER BY s.mean_value DESC) AS rank,
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
  p.cost_per_trial,
  p.latency_p50,
  s.run_started_at
FROM candidate AS c
JOIN fct_run_scores AS s ON s.run_id = c.run_id
JOIN dim_evaluations AS e ON e.evaluation_id = s.evaluation_id
JOIN fct_run_performance AS p ON p.run_id = c.run_id
WHERE c.age = 1
