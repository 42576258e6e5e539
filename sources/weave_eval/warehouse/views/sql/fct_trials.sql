-- Trials: one row for each time a model answered an input in a run.
-- key: trial_id
-- input_id: Input; joins dim_inputs.
-- run_started_at: When the run started.
SELECT
  t.trial_id,
  t.run_id,
  t.project_id || ':' || t.row_digest AS input_id,
  t.project_id,
  t.row_digest,
  t.result_row_id,
  r.evaluation_id,
  r.evaluation_name,
  r.model_id,
  r.model_name,
  r.status,
  r.started_at AS run_started_at,
  t.trial_index,
  t.output,
  t.latency_seconds,
  t.total_tokens,
  t.total_cost,
  t.is_error,
  t.error,
  t.started_at,
  t.finished_at
FROM trials AS t
JOIN dim_runs AS r ON r.run_id = t.run_id AND r.results_load_id = t._dlt_load_id
