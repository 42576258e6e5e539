-- Missing scores: one row for each run and metric of its evaluation: how many of the trials lack the score, and what difference they make.
-- key: run_id, metric
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- run_started_at: When the run started.
-- expected_trial_count: Trials that were started: the trials loaded or the trial calls that Weave counts, whichever is more.
-- scored_count: Trials that have a value.
-- missing_count: Trials without one, most often because the model or the scorer raised.
-- missing_rate: Share of trials without a value, 0 to 1.
-- pass_rate: Share of scored trials that passed, 0 to 1, as Weave computes it; null unless binary.
-- strict_pass_rate: Share of all trials that passed, 0 to 1: a trial without the score counts as failed.
WITH metric_ AS (
  SELECT DISTINCT evaluation_id, metric, scorer_name
  FROM fct_run_scores
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
  m.metric,
  m.scorer_name,
  r.expected_trial_count,
  COALESCE(s.scored_count, 0) AS scored_count,
  r.expected_trial_count - COALESCE(s.scored_count, 0) AS missing_count,
  CAST(r.expected_trial_count - COALESCE(s.scored_count, 0) AS DOUBLE) / r.expected_trial_count AS missing_rate,
  CASE WHEN s.is_binary THEN CAST(s.pass_count AS DOUBLE) / s.scored_count END AS pass_rate,
  CASE WHEN s.is_binary THEN CAST(s.pass_count AS DOUBLE) / r.expected_trial_count END AS strict_pass_rate
FROM dim_runs AS r
JOIN metric_ AS m ON m.evaluation_id = r.evaluation_id
LEFT JOIN fct_run_scores AS s ON s.run_id = r.run_id AND s.metric = m.metric
WHERE r.expected_trial_count > 0
