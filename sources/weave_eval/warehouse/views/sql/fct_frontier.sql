-- Frontier: one row for each leaderboard entry that has cost and latency: does another model beat it?
-- key: run_id, metric
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- mean_value: Quality: mean of the rows' means.
-- cost_per_trial: Mean cost of a trial, in US dollars.
-- latency_p50: Median latency, in seconds.
-- dominated_by_count: Models that are at least as good, as cheap and as fast, and better in one of the three.
-- is_on_frontier: Whether no other model dominates it.
SELECT
  a.run_id,
  a.project_id,
  a.evaluation_id,
  a.evaluation_name,
  a.is_newest_evaluation,
  a.metric,
  a.model_id,
  a.model_name,
  a.mean_value,
  a.cost_per_trial,
  a.latency_p50,
  COUNT(b.run_id) AS dominated_by_count,
  COUNT(b.run_id) = 0 AS is_on_frontier,
  a.run_started_at
FROM fct_leaderboard AS a
LEFT JOIN fct_leaderboard AS b
  ON b.evaluation_id = a.evaluation_id
  AND b.metric = a.metric
  AND b.run_id <> a.run_id
  AND (b.mean_value > a.mean_value OR is_same(b.mean_value, a.mean_value))
  AND (b.cost_per_trial < a.cost_per_trial OR is_same(b.cost_per_trial, a.cost_per_trial))
  AND (b.latency_p50 < a.latency_p50 OR is_same(b.latency_p50, a.latency_p50))
  AND NOT (
    is_same(b.mean_value, a.mean_value)
    AND is_same(b.cost_per_trial, a.cost_per_trial)
    AND is_same(b.latency_p50, a.latency_p50)
  )
WHERE a.mean_value IS NOT NULL AND a.cost_per_trial IS NOT NULL AND a.latency_p50 IS NOT NULL
GROUP BY
  a.run_id, a.project_id, a.evaluation_id, a.evaluation_name, a.is_newest_evaluation, a.metric, a.model_id,
  a.model_name, a.mean_value, a.cost_per_trial, a.latency_p50, a.run_started_at
