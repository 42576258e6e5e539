-- Scorer changes: one row for each run and metric whose scorer changed version since the previous run of the same model and evaluation.
-- key: run_id, metric
-- run_id: First run with the new version.
-- previous_run_id: Previous completed run of the same model version and evaluation.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- run_started_at: When the run started.
-- scorer_ref: Weave ref of the new version.
-- previous_scorer_ref: Weave ref of the previous version.
-- common_row_count: Rows that both runs have a value for.
-- previous_mean: Mean of the common rows with the previous version.
-- mean_value: Mean of the common rows with the new version.
-- difference: New minus previous: the effect of the scorer, insofar as the model gave the same answers.
WITH scorer AS (
  SELECT run_id, scorer_name, MIN(scorer_ref) AS scorer_ref
  FROM dim_run_scorers
  GROUP BY run_id, scorer_name
),
ordered AS (
  SELECT
    r.run_id,
    r.project_id,
    r.evaluation_name,
    r.model_id,
    r.model_name,
    r.started_at,
    v.scorer_name,
    v.scorer_ref,
    LAG(r.run_id) OVER (
      PARTITION BY r.project_id, r.evaluation_name, r.model_id, v.scorer_name ORDER BY r.started_at, r.run_id
    ) AS previous_run_id,
    LAG(v.scorer_ref) OVER (
      PARTITION BY r.project_id, r.evaluation_name, r.model_id, v.scorer_name ORDER BY r.started_at, r.run_id
    ) AS previous_scorer_ref
  FROM dim_runs AS r
  JOIN scorer AS v ON v.run_id = r.run_id
  WHERE r.status = 'completed'
)
SELECT
  o.run_id,
  o.previous_run_id,
  o.project_id,
  o.evaluation_name,
  o.model_id,
  o.model_name,
  o.started_at AS run_started_at,
  b.metric,
  o.scorer_name,
  o.scorer_ref,
  o.previous_scorer_ref,
  COUNT(*) AS common_row_count,
  mean_of_all(a.mean_value) AS previous_mean,
  mean_of_all(b.mean_value) AS mean_value,
  mean_of_all(b.mean_value) - mean_of_all(a.mean_value) AS difference
FROM ordered AS o
JOIN fct_row_scores AS b ON b.run_id = o.run_id AND b.scorer_name = o.scorer_name
JOIN fct_row_scores AS a
  ON a.run_id = o.previous_run_id AND a.row_digest = b.row_digest AND a.metric = b.metric
WHERE o.scorer_ref <> o.previous_scorer_ref
GROUP BY
  o.run_id, o.previous_run_id, o.project_id, o.evaluation_name, o.model_id, o.model_name, o.started_at, b.metric,
  o.scorer_name, o.scorer_ref, o.previous_scorer_ref
