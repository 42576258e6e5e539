-- Unique passes: one row for each input that only one model of an evaluation passes, over the latest run of each model.
-- key: evaluation_id, row_digest, metric
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- model_count: Number of models scored on the input.
-- model_id: Version of the model that passes.
-- model_name: Name of the model that passes.
-- run_id: Run in which that model passes.
SELECT
  s.project_id,
  s.evaluation_id,
  s.evaluation_name,
  l.is_newest_evaluation,
  s.metric,
  s.input_id,
  s.row_digest,
  COUNT(s.is_passed) AS model_count,
  MAX(CASE WHEN s.is_passed THEN s.model_id END) AS model_id,
  MAX(CASE WHEN s.is_passed THEN s.model_name END) AS model_name,
  MAX(CASE WHEN s.is_passed THEN s.run_id END) AS run_id
FROM fct_row_scores AS s
JOIN fct_leaderboard AS l ON l.run_id = s.run_id AND l.metric = s.metric
GROUP BY
  s.project_id, s.evaluation_id, s.evaluation_name, l.is_newest_evaluation, s.metric, s.input_id, s.row_digest
HAVING COUNT(s.is_passed) > 1 AND COUNT(CASE WHEN s.is_passed THEN 1 END) = 1
