-- Worst rows: one row for each input of an evaluation and metric, over the latest run of each model; lowest first by rank.
-- key: evaluation_id, row_digest, metric
-- input_id: Input; joins dim_inputs.
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- rank: Place within the evaluation version and metric, from 1 for the lowest mean. Means that only rounding tells apart share it.
-- model_count: Number of models scored on the input.
-- failed_model_count: Models with a trial that did not pass; null unless binary.
-- mean_value: Mean over the models.
-- lowest_value: Mean over the trials of the model that did worst.
WITH mean_ AS (
  SELECT
    s.project_id,
    s.evaluation_id,
    s.evaluation_name,
    l.is_newest_evaluation,
    s.metric,
    s.input_id,
    s.row_digest,
    COUNT(*) AS model_count,
    CASE
      WHEN COUNT(s.is_passed) = COUNT(*) THEN COUNT(CASE WHEN NOT s.is_passed THEN 1 END)
    END AS failed_model_count,
    mean_of_all(s.mean_value) AS mean_value,
    MIN(s.mean_value) AS lowest_value
  FROM fct_row_scores AS s
  JOIN fct_leaderboard AS l ON l.run_id = s.run_id AND l.metric = s.metric
  GROUP BY
    s.project_id, s.evaluation_id, s.evaluation_name, l.is_newest_evaluation, s.metric, s.input_id, s.row_digest
),
ordered AS (
  SELECT
    m.*,
    ROW_NUMBER() OVER (
      PARTITION BY evaluation_id, metric
      ORDER BY CASE WHEN mean_value IS NULL THEN 1 ELSE 0 END, mean_value, row_digest
    ) AS place,
    LAG(mean_value) OVER (
      PARTITION BY evaluation_id, metric
      ORDER BY CASE WHEN mean_value IS NULL THEN 1 ELSE 0 END, mean_value, row_digest
    ) AS next_worse
  FROM mean_ AS m
)
SELECT
  project_id,
  evaluation_id,
  evaluation_name,
  is_newest_evaluation,
  metric,
  input_id,
  row_digest,
  CASE
    WHEN mean_value IS NOT NULL
      THEN MAX(CASE WHEN next_worse IS NULL OR NOT is_same(next_worse, mean_value) THEN place END)
        OVER (PARTITION BY evaluation_id, metric ORDER BY place)
  END AS rank,
  model_count,
  failed_model_count,
  mean_value,
  lowest_value
FROM ordered
