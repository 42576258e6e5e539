-- Row scores: one row for each input of a run and metric, over the input's trials.
-- key: run_id, row_digest, metric
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- run_started_at: When the run started.
-- is_binary: Whether all values are true or false.
-- scored_count: Trials that have a value.
-- pass_count: Trials that passed.
-- mean_value: Mean over the trials; true counts 1 and false 0. Null with a number of 1e100 or more, as in all that is computed of it.
-- is_passed: Whether every scored trial passed; null unless binary.
SELECT
  run_id,
  input_id,
  project_id,
  row_digest,
  evaluation_id,
  evaluation_name,
  model_id,
  model_name,
  status,
  run_started_at,
  metric,
  scorer_name,
  path,
  COUNT(is_passed) = COUNT(value) AS is_binary,
  COUNT(value) AS scored_count,
  COUNT(CASE WHEN is_passed THEN 1 END) AS pass_count,
  mean_of_all(computable(value)) AS mean_value,
  CASE
    WHEN COUNT(is_passed) = COUNT(value) THEN COUNT(CASE WHEN is_passed THEN 1 END) = COUNT(value)
  END AS is_passed
FROM fct_scores
WHERE value IS NOT NULL
GROUP BY
  run_id, input_id, project_id, row_digest, evaluation_id, evaluation_name, model_id, model_name, status,
  run_started_at, metric, scorer_name, path
