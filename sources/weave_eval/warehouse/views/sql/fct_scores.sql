-- Scores: one row for each leaf of a scorer's output for a trial.
-- key: score_id
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- value: The score as a number: the number, or 1 for true and 0 for false; null for text and JSON.
-- is_passed: The score, if it is true or false.
-- run_started_at: When the run started.
SELECT
  s.score_id,
  s.trial_id,
  s.run_id,
  s.project_id || ':' || s.row_digest AS input_id,
  s.project_id,
  s.row_digest,
  r.evaluation_id,
  r.evaluation_name,
  r.model_id,
  r.model_name,
  r.status,
  r.started_at AS run_started_at,
  CASE WHEN s.path = '' THEN s.scorer_name ELSE s.scorer_name || '.' || s.path END AS metric,
  s.scorer_name,
  s.path,
  s.value_type,
  CASE
    WHEN s.value_bool IS NULL THEN s.value_number
    WHEN s.value_bool THEN CAST(1 AS DOUBLE)
    ELSE CAST(0 AS DOUBLE)
  END AS value,
  s.value_bool AS is_passed,
  s.value_text,
  s.value_json,
  s.scorer_call_id
FROM scores AS s
JOIN dim_runs AS r ON r.run_id = s.run_id AND r.results_load_id = s._dlt_load_id
