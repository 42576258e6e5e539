-- Runs: one row for each run that exists in Weave and is loaded with all its rows, trials and scores.
-- key: run_id
-- run_name: Name to show: the display name, else the evaluation's name.
-- evaluation_id: Version of the evaluation: its ref, or project and name where it has none; joins dim_evaluations.
-- model_id: Version of the model: its ref, or project and name where it has none; joins dim_models.
-- duration_seconds: Time from start to end, in seconds; null while running.
-- is_reconciled: Whether counts and scorer stats agree with Weave; null until compared.
-- expected_trial_count: Trials that were started: the trials loaded or the trial calls that Weave counts, whichever is more.
SELECT
  r.run_id,
  r.project_id,
  r.entity,
  r.project,
  COALESCE(r.display_name, r.evaluation_name, r.run_id) AS run_name,
  COALESCE(r.evaluation_ref, r.project_id || '/' || COALESCE(r.evaluation_name, '')) AS evaluation_id,
  r.evaluation_ref,
  r.evaluation_name,
  r.evaluation_digest,
  e.dataset_ref,
  COALESCE(r.model_ref, r.project_id || '/' || COALESCE(r.model_name, '')) AS model_id,
  r.model_ref,
  r.model_name,
  r.model_digest,
  r.status,
  r.has_failed_trials,
  r.error,
  r.started_at,
  r.finished_at,
  seconds_between(r.started_at, r.finished_at) AS duration_seconds,
  r.source_run_id,
  r.user_id,
  r.is_imperative,
  r.row_count,
  r.trial_count,
  r.score_count,
  CASE
    WHEN p.trial_call_count > r.trial_count THEN p.trial_call_count
    ELSE r.trial_count
  END AS expected_trial_count,
  r.total_tokens,
  r.total_cost,
  p.is_reconciled,
  r.url,
  r.synced_at,
  r.results_load_id
FROM evaluation_runs AS r
LEFT JOIN reconciliations AS p ON p.run_id = r.run_id AND p.load_id = r.results_load_id
LEFT JOIN evaluations AS e ON e.project_id = r.project_id AND e.ref = r.evaluation_ref
WHERE
  r.deleted_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM evaluation_runs AS o
    WHERE o.run_id = r.run_id AND o.project_id <> r.project_id AND o.deleted_at IS NULL AND o.synced_at > r.synced_at
  )
  AND (
    COALESCE(r.row_count, 0) = 0
    OR EXISTS (
      SELECT 1 FROM result_rows AS c WHERE c.run_id = r.run_id AND c._dlt_load_id = r.results_load_id
    )
  )
  AND (
    COALESCE(r.trial_count, 0) = 0
    OR EXISTS (
      SELECT 1 FROM trials AS c WHERE c.run_id = r.run_id AND c._dlt_load_id = r.results_load_id
    )
  )
  AND (
    COALESCE(r.score_count, 0) = 0
    OR EXISTS (
      SELECT 1 FROM scores AS c WHERE c.run_id = r.run_id AND c._dlt_load_id = r.results_load_id
    )
  )
