-- Evaluations: one row for each version of an evaluation that has runs.
-- key: evaluation_id
-- evaluation_id: Version of the evaluation: its ref, or project and name where it has none.
-- version_index: Number of the version, from 0; null for evaluations logged by name only.
-- created_at: When the version was made.
-- trials_per_row: How often the evaluation runs each input.
-- first_run_at: When its first run started.
-- last_run_at: When its newest run started.
-- run_count: Number of runs of the version.
-- row_count: Most rows in any completed run of the version.
-- is_newest: Whether no other version of the evaluation has a newer run.
SELECT
  v.evaluation_id,
  v.project_id,
  v.evaluation_ref,
  v.evaluation_name,
  v.evaluation_digest,
  e.version_index,
  e.description,
  e.user_id,
  e.created_at,
  e.dataset_ref,
  e.trials AS trials_per_row,
  e.scorer_refs,
  v.first_run_at,
  v.last_run_at,
  v.run_count,
  v.row_count,
  v.last_run_at = MAX(v.last_run_at) OVER (PARTITION BY v.project_id, v.evaluation_name) AS is_newest
FROM (
  SELECT
    evaluation_id,
    project_id,
    evaluation_ref,
    evaluation_name,
    evaluation_digest,
    MIN(started_at) AS first_run_at,
    MAX(started_at) AS last_run_at,
    COUNT(*) AS run_count,
    MAX(CASE WHEN status = 'completed' THEN row_count END) AS row_count
  FROM dim_runs
  GROUP BY evaluation_id, project_id, evaluation_ref, evaluation_name, evaluation_digest
) AS v
LEFT JOIN evaluations AS e ON e.project_id = v.project_id AND e.ref = v.evaluation_ref
