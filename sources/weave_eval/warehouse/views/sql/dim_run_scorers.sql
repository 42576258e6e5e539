-- Scorers of runs: one row for each scorer version named by a run's evaluation.
-- key: run_id, scorer_ref
-- scorer_name: Name of the scorer.
-- scorer_ref: Weave ref of the scorer's version.
-- scorer_version_index: Number of the scorer's version, from 0.
SELECT
  r.run_id,
  r.project_id,
  s.object_id AS scorer_name,
  s.ref AS scorer_ref,
  s.version_index AS scorer_version_index
FROM dim_runs AS r
JOIN evaluations AS e ON e.project_id = r.project_id AND e.ref = r.evaluation_ref
JOIN scorers AS s
  ON s.project_id = e.project_id AND STRPOS(json_text(e.scorer_refs), '"' || s.ref || '"') > 0
