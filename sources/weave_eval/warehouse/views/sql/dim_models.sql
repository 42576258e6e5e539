-- Models: one row for each version of a model that has runs.
-- key: model_id
-- model_id: Version of the model: its ref, or project and name where it has none.
-- version_index: Number of the version, from 0; null for models logged by name only.
-- created_at: When the version was made.
-- first_run_at: When its first run started.
-- last_run_at: When its newest run started.
-- run_count: Number of runs of the version.
-- is_newest: Whether no other version of the model has a newer run.
SELECT
  v.model_id,
  v.project_id,
  v.model_ref,
  v.model_name,
  v.model_digest,
  m.version_index,
  m.kind,
  m.description,
  m.user_id,
  m.created_at,
  v.first_run_at,
  v.last_run_at,
  v.run_count,
  v.last_run_at = MAX(v.last_run_at) OVER (PARTITION BY v.project_id, v.model_name) AS is_newest
FROM (
  SELECT
    model_id,
    project_id,
    model_ref,
    model_name,
    model_digest,
    MIN(started_at) AS first_run_at,
    MAX(started_at) AS last_run_at,
    COUNT(*) AS run_count
  FROM dim_runs
  GROUP BY model_id, project_id, model_ref, model_name, model_digest
) AS v
LEFT JOIN models AS m ON m.project_id = v.project_id AND m.ref = v.model_ref
