-- Worst rows: one row for each input of an evaluation and metric, over the latest run of each model; lowest first by rank.
-- key: evaluation_id, row_digest, metric
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- rank: Place within the evaluation version and metric, from 1 for the lowest mean.
-- model_count: Number of models scored on the input.
-- failed_model_count: Models with a trial that did not pass; null unless binary.
-- mean_value: Mean over the models.
-- lowest_value: Mean over the trials of the model that did worst.
SELECT
  s.project_id,
  s.evaluation_id,
  s.evaluation_name,
  l.is_newest_evaluation,
  s.metric,
  s.input_id,
  s.row_digest,
  RANK() OVER (PARTITION BY s.evaluation_id, s.metric ORDER BY AVG(s.mean_value)) AS rank,
  COUNT(*) AS model_count,
  CASE
    WHEN COUNT(s.is_passed) = COUNT(*) THEN COUNT(CASE WHEN NOT s.is_passed THEN 1 END)
  END AS failed_model_count,
  AVG(s.mean_value) AS mean_value,
  MIN(s.mean_value) AS lowest_value
FROM fct_row_scores AS s
JOIN fct_leaderboard AS l ON l.run_id = s.run_id AND l.metric = s.metric
GROUP BY
  s.project_id, s.evaluation_id, s.evaluation_name, l.is_newest_evaluation, s.metric, s.input_id, s.row_digest
