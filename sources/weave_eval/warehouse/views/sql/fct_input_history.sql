-- Input history: one row for each input, project, evaluation, model version and metric: the same input wherever it was used.
-- key: row_digest, project_id, evaluation_name, model_id, metric
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- run_count: Runs that scored the input.
-- mean_value: Mean over the runs.
-- first_run_at: When the first of the runs started.
-- last_run_at: When the newest of the runs started.
-- evaluation_count: Evaluations, over all projects, that use the input.
WITH used AS (
  SELECT row_digest, COUNT(*) AS evaluation_count
  FROM (
    SELECT row_digest, project_id, evaluation_name
    FROM fct_row_scores
    GROUP BY row_digest, project_id, evaluation_name
  ) AS u
  GROUP BY row_digest
)
SELECT
  s.row_digest,
  s.input_id,
  s.project_id,
  s.evaluation_name,
  s.model_id,
  s.model_name,
  s.metric,
  COUNT(*) AS run_count,
  mean_of_all(s.mean_value) AS mean_value,
  MIN(s.run_started_at) AS first_run_at,
  MAX(s.run_started_at) AS last_run_at,
  u.evaluation_count
FROM fct_row_scores AS s
JOIN used AS u ON u.row_digest = s.row_digest
GROUP BY
  s.row_digest, s.input_id, s.project_id, s.evaluation_name, s.model_id, s.model_name, s.metric, u.evaluation_count
