-- Freshness: one row for each project: how fresh, complete and proven its tables are.
-- key: project_id
-- last_run_started_at: When the newest run started.
-- last_run_finished_at: When a run last ended.
-- last_sync_finished_at: When a load last succeeded; loads that find nothing new are recorded only every few hours.
-- days_since_sync: Days since then; 0 for a time in the future, which a wrong clock has left.
-- last_failure_at: When a load last failed.
-- last_error: What ended the failed load; null if a later one succeeded.
-- run_count: Runs that exist in Weave.
-- running_count: Runs that have not ended.
-- unreconciled_count: Ended runs that do not agree with what Weave says about them.
-- unproven_count: Ended runs that have not been compared with Weave yet.
-- is_complete: Whether every ended run is proven to agree with Weave, and no load has failed since the last success.
WITH run_ AS (
  SELECT
    r.project_id,
    MAX(r.started_at) AS last_run_started_at,
    MAX(r.finished_at) AS last_run_finished_at,
    COUNT(*) AS run_count,
    COUNT(CASE WHEN r.status = 'running' THEN 1 END) AS running_count,
    COUNT(CASE WHEN r.status <> 'running' AND NOT p.is_reconciled THEN 1 END) AS unreconciled_count,
    COUNT(CASE WHEN r.status <> 'running' AND p.is_reconciled IS NULL THEN 1 END) AS unproven_count
  FROM evaluation_runs AS r
  LEFT JOIN reconciliations AS p ON p.run_id = r.run_id AND p.load_id = r.results_load_id
  WHERE r.deleted_at IS NULL
  GROUP BY r.project_id
),
sync_ AS (
  SELECT
    project_id,
    MAX(CASE WHEN status <> 'failed' THEN finished_at END) AS last_sync_finished_at,
    MAX(CASE WHEN status = 'failed' THEN finished_at END) AS last_failure_at
  FROM syncs
  GROUP BY project_id
),
failure AS (
  SELECT s.project_id, MAX(s.error) AS last_error
  FROM syncs AS s
  JOIN sync_ AS l ON l.project_id = s.project_id AND l.last_failure_at = s.finished_at
  WHERE s.status = 'failed' AND (l.last_sync_finished_at IS NULL OR l.last_sync_finished_at < s.finished_at)
  GROUP BY s.project_id
)
SELECT
  r.project_id,
  r.run_count,
  r.running_count,
  r.unreconciled_count,
  r.unproven_count,
  r.last_run_started_at,
  r.last_run_finished_at,
  s.last_sync_finished_at,
  days_since(s.last_sync_finished_at) AS days_since_sync,
  s.last_failure_at,
  f.last_error,
  r.unreconciled_count = 0 AND r.unproven_count = 0 AND f.last_error IS NULL AS is_complete
FROM run_ AS r
LEFT JOIN sync_ AS s ON s.project_id = r.project_id
LEFT JOIN failure AS f ON f.project_id = r.project_id
