-- Gate decisions: one row for each decision about a run that still exists, with the run's names.
-- key: decision_id
-- is_latest: Whether it is the newest decision about the run under the same rules.
-- run_started_at: When the run started.
SELECT
  d.decision_id,
  d.run_id,
  d.baseline_run_id,
  d.project_id,
  r.evaluation_id,
  r.evaluation_name,
  r.model_id,
  r.model_name,
  r.started_at AS run_started_at,
  d.decision,
  d.reason,
  d.decided_at,
  ROW_NUMBER() OVER (PARTITION BY d.run_id, d.rules_digest ORDER BY d.decided_at DESC, d.decision_id DESC) = 1
    AS is_latest,
  d.rules,
  d.rules_digest,
  d.results,
  d.notes,
  d.read_from
FROM gate_decisions AS d
JOIN dim_runs AS r ON r.run_id = d.run_id
