-- Run performance: one row for each run: errors, latency, tokens and cost of its trials.
-- key: run_id
-- run_started_at: When the run started.
-- trial_count: Trials loaded.
-- expected_trial_count: Trials that were started: the trials loaded or the trial calls that Weave counts, whichever is more.
-- error_count: Trials that raised, or whose prediction or scorer raised.
-- error_rate: Share of expected trials that raised or are missing, 0 to 1.
-- latency_mean: Mean latency of the predictions, in seconds.
-- latency_p50: Median latency, in seconds (nearest rank).
-- latency_p95: 95th percentile of latency, in seconds (nearest rank).
-- latency_p99: 99th percentile of latency, in seconds (nearest rank).
-- tokens_per_trial: Mean tokens of a trial, over the trials that report them.
-- cost_per_trial: Mean cost of a trial, in US dollars, over the trials that report it.
WITH ranked AS (
  SELECT
    run_id,
    latency_seconds,
    ROW_NUMBER() OVER (PARTITION BY run_id ORDER BY latency_seconds) AS position_,
    COUNT(*) OVER (PARTITION BY run_id) AS n
  FROM fct_trials
  WHERE latency_seconds IS NOT NULL
),
latency AS (
  SELECT
    run_id,
    AVG(latency_seconds) AS latency_mean,
    MIN(CASE WHEN position_ >= 0.50 * n THEN latency_seconds END) AS latency_p50,
    MIN(CASE WHEN position_ >= 0.95 * n THEN latency_seconds END) AS latency_p95,
    MIN(CASE WHEN position_ >= 0.99 * n THEN latency_seconds END) AS latency_p99
  FROM ranked
  GROUP BY run_id
),
total AS (
  SELECT
    run_id,
    COUNT(*) AS trial_count,
    COUNT(CASE WHEN is_error THEN 1 END) AS error_count,
    AVG(CAST(total_tokens AS DOUBLE)) AS tokens_per_trial,
    CASE
      WHEN COUNT(computable(total_cost)) = COUNT(total_cost) THEN AVG(computable(total_cost))
    END AS cost_per_trial
  FROM fct_trials
  GROUP BY run_id
)
SELECT
  r.run_id,
  r.project_id,
  r.evaluation_id,
  r.evaluation_name,
  r.model_id,
  r.model_name,
  r.status,
  r.started_at AS run_started_at,
  COALESCE(t.trial_count, 0) AS trial_count,
  r.expected_trial_count,
  COALESCE(t.error_count, 0) AS error_count,
  CASE
    WHEN r.expected_trial_count > 0
      THEN CAST(COALESCE(t.error_count, 0) + r.expected_trial_count - COALESCE(t.trial_count, 0) AS DOUBLE)
        / r.expected_trial_count
  END AS error_rate,
  l.latency_mean,
  l.latency_p50,
  l.latency_p95,
  l.latency_p99,
  r.total_tokens,
  t.tokens_per_trial,
  r.total_cost,
  t.cost_per_trial
FROM dim_runs AS r
LEFT JOIN total AS t ON t.run_id = r.run_id
LEFT JOIN latency AS l ON l.run_id = r.run_id
