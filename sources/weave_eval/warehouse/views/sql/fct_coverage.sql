-- Coverage: one row for each evaluation and model version of a project: was it run, on how many rows, how long ago?
-- key: project_id, evaluation_name, model_id
-- run_count: Completed runs.
-- last_run_id: Newest completed run.
-- last_started_at: When the newest completed run started.
-- days_since_last_run: Days since then; 0 for a time in the future, which a wrong clock has left.
-- input_count: Rows of the newest version of the evaluation.
-- covered_count: How many of those rows the newest completed run has.
-- coverage: Share of those rows that it has, 0 to 1.
-- is_newest_model: Whether no other version of the model has a newer run.
WITH current_input AS (
  SELECT DISTINCT e.project_id, e.evaluation_name, c.row_digest
  FROM dim_evaluations AS e
  JOIN dim_runs AS r ON r.evaluation_id = e.evaluation_id
  JOIN result_rows AS c ON c.run_id = r.run_id AND c._dlt_load_id = r.results_load_id
  WHERE e.is_newest
),
input_total AS (
  SELECT project_id, evaluation_name, COUNT(*) AS input_count
  FROM current_input
  GROUP BY project_id, evaluation_name
),
newest AS (
  SELECT
    run_id,
    project_id,
    evaluation_name,
    model_id,
    started_at,
    results_load_id,
    ROW_NUMBER() OVER (
      PARTITION BY project_id, evaluation_name, model_id ORDER BY started_at DESC, run_id DESC
    ) AS age,
    COUNT(*) OVER (PARTITION BY project_id, evaluation_name, model_id) AS run_count
  FROM dim_runs
  WHERE status = 'completed'
),
covered AS (
  SELECT n.run_id, COUNT(*) AS covered_count
  FROM newest AS n
  JOIN result_rows AS c ON c.run_id = n.run_id AND c._dlt_load_id = n.results_load_id
  JOIN current_input AS i
    ON i.project_id = n.project_id AND i.evaluation_name = n.evaluation_name AND i.row_digest = c.row_digest
  WHERE n.age = 1
  GROUP BY n.run_id
)
SELECT
  t.project_id,
  t.evaluation_name,
  m.model_id,
  m.model_name,
  m.is_newest AS is_newest_model,
  COALESCE(n.run_count, 0) AS run_count,
  n.run_id AS last_run_id,
  n.started_at AS last_started_at,
  days_since(n.started_at) AS days_since_last_run,
  t.input_count,
  COALESCE(c.covered_count, 0) AS covered_count,
  CAST(COALESCE(c.covered_count, 0) AS DOUBLE) / t.input_count AS coverage
FROM input_total AS t
JOIN dim_models AS m ON m.project_id = t.project_id
LEFT JOIN newest AS n
  ON n.project_id = t.project_id AND n.evaluation_name = t.evaluation_name AND n.model_id = m.model_id AND n.age = 1
LEFT JOIN covered AS c ON c.run_id = n.run_id
