-- Flaky rows: one row for each input on which the same model, judged by the same scorer version, passed and failed.
-- key: model_id, row_digest, metric, scorer_ref
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- scorer_ref: Weave ref of the scorer's version; empty where the evaluation names none.
-- run_count: Runs that scored the input.
-- flaky_run_count: Runs in which trials of the input disagree.
-- scored_count: Trials that have a value.
-- pass_count: Trials that passed.
-- pass_rate: Share of scored trials that passed, 0 to 1.
-- disagreement: Chance that two trials of the input differ, 0 to 0.5.
-- last_run_at: When the newest of the runs started.
WITH scorer AS (
  SELECT run_id, scorer_name, MIN(scorer_ref) AS scorer_ref
  FROM dim_run_scorers
  GROUP BY run_id, scorer_name
),
flaky AS (
  SELECT
    s.project_id,
    s.input_id,
    s.row_digest,
    s.model_id,
    s.model_name,
    s.metric,
    s.scorer_name,
    COALESCE(v.scorer_ref, '') AS scorer_ref,
    COUNT(*) AS run_count,
    COUNT(CASE WHEN s.pass_count > 0 AND s.pass_count < s.scored_count THEN 1 END) AS flaky_run_count,
    CAST(SUM(s.scored_count) AS BIGINT) AS scored_count,
    CAST(SUM(s.pass_count) AS BIGINT) AS pass_count,
    MAX(s.run_started_at) AS last_run_at
  FROM fct_row_scores AS s
  LEFT JOIN scorer AS v ON v.run_id = s.run_id AND v.scorer_name = s.scorer_name
  WHERE s.is_binary
  GROUP BY
    s.project_id, s.input_id, s.row_digest, s.model_id, s.model_name, s.metric, s.scorer_name,
    COALESCE(v.scorer_ref, '')
)
SELECT
  project_id,
  input_id,
  row_digest,
  model_id,
  model_name,
  metric,
  scorer_name,
  scorer_ref,
  run_count,
  flaky_run_count,
  scored_count,
  pass_count,
  CAST(pass_count AS DOUBLE) / scored_count AS pass_rate,
  2 * (CAST(pass_count AS DOUBLE) / scored_count) * (1 - CAST(pass_count AS DOUBLE) / scored_count) AS disagreement,
  last_run_at
FROM flaky
WHERE pass_count > 0 AND pass_count < scored_count
