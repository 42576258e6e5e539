-- Row changes: one row for each input and metric that two runs of a project share; filter by both runs.
-- key: baseline_run_id, run_id, row_digest, metric
-- baseline_run_id: Baseline run (A).
-- run_id: Run compared with the baseline (B).
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- baseline_model_id: Version of the model in A.
-- is_binary: Whether all values of both runs are true or false.
-- baseline_value: Mean of the row's trials in A.
-- value: Mean of the row's trials in B.
-- difference: B minus A; 0 where only rounding tells them apart.
-- change: improved, regressed or same, taking higher as better; the same is what differs by a billionth or less.
SELECT
  a.run_id AS baseline_run_id,
  b.run_id,
  b.input_id,
  b.project_id,
  b.row_digest,
  b.evaluation_name,
  a.model_id AS baseline_model_id,
  b.model_id,
  b.metric,
  b.scorer_name,
  a.is_binary AND b.is_binary AS is_binary,
  a.mean_value AS baseline_value,
  b.mean_value AS value,
  CASE
    WHEN is_same(b.mean_value, a.mean_value) THEN CAST(0 AS DOUBLE)
    ELSE b.mean_value - a.mean_value
  END AS difference,
  CASE
    WHEN is_same(b.mean_value, a.mean_value) THEN 'same'
    WHEN b.mean_value > a.mean_value THEN 'improved'
    WHEN b.mean_value < a.mean_value THEN 'regressed'
  END AS change
FROM fct_row_scores AS a
JOIN fct_row_scores AS b
  ON b.project_id = a.project_id
  AND b.row_digest = a.row_digest
  AND b.metric = a.metric
  AND b.run_id <> a.run_id
