-- Dataset drift: one row for each completed run that follows another of the same evaluation: how their rows differ.
-- key: run_id
-- run_started_at: When the run started.
-- previous_run_id: Previous completed run of the same evaluation.
-- dataset_ref: Weave ref of the dataset's version.
-- previous_dataset_ref: Weave ref of the previous run's dataset.
-- is_same_dataset: Whether both name the same version of the dataset; null if either names none.
-- common_row_count: Rows that both have.
-- added_row_count: Rows that only this run has.
-- removed_row_count: Rows that only the previous run has.
-- has_drifted: Whether any row was added or removed.
WITH ordered AS (
  SELECT
    run_id,
    project_id,
    evaluation_name,
    dataset_ref,
    row_count,
    results_load_id,
    started_at,
    LAG(run_id) OVER (PARTITION BY project_id, evaluation_name ORDER BY started_at, run_id) AS previous_run_id
  FROM dim_runs
  WHERE status = 'completed'
),
common AS (
  SELECT o.run_id, COUNT(*) AS common_row_count
  FROM ordered AS o
  JOIN result_rows AS a ON a.run_id = o.run_id AND a._dlt_load_id = o.results_load_id
  JOIN ordered AS q ON q.run_id = o.previous_run_id
  JOIN result_rows AS b
    ON b.run_id = q.run_id AND b._dlt_load_id = q.results_load_id AND b.row_digest = a.row_digest
  GROUP BY o.run_id
)
SELECT
  o.run_id,
  o.project_id,
  o.evaluation_name,
  o.started_at AS run_started_at,
  o.previous_run_id,
  o.dataset_ref,
  q.dataset_ref AS previous_dataset_ref,
  o.dataset_ref = q.dataset_ref AS is_same_dataset,
  COALESCE(c.common_row_count, 0) AS common_row_count,
  o.row_count - COALESCE(c.common_row_count, 0) AS added_row_count,
  q.row_count - COALESCE(c.common_row_count, 0) AS removed_row_count,
  o.row_count <> COALESCE(c.common_row_count, 0) OR q.row_count <> COALESCE(c.common_row_count, 0) AS has_drifted
FROM ordered AS o
JOIN ordered AS q ON q.run_id = o.previous_run_id
LEFT JOIN common AS c ON c.run_id = o.run_id
