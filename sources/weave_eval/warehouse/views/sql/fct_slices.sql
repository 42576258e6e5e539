-- Slices: one row for each run, metric and value of an input field that several rows of the run share.
-- key: run_id, metric, field_name, field_value
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- field_name: Name of the input field.
-- field_value: Its value, as text.
-- run_started_at: When the run started.
-- row_count: Rows of the slice that have a value.
-- scored_count: Trials of the slice that have a value.
-- pass_rate: Mean of the rows' shares of passed trials, 0 to 1; null unless binary.
-- mean_value: Mean of the rows' means; true counts 1 and false 0.
WITH slice AS (
  SELECT
    s.run_id,
    s.project_id,
    s.evaluation_name,
    s.model_id,
    s.model_name,
    s.run_started_at,
    s.metric,
    f.field_name,
    f.field_value,
    COUNT(CASE WHEN NOT s.is_binary THEN 1 END) = 0 AS is_binary,
    COUNT(*) AS row_count,
    CAST(SUM(s.scored_count) AS BIGINT) AS scored_count,
    mean_of_all(s.mean_value) AS mean_value
  FROM fct_row_scores AS s
  JOIN dim_input_fields AS f ON f.input_id = s.input_id
  GROUP BY
    s.run_id, s.project_id, s.evaluation_name, s.model_id, s.model_name, s.run_started_at, s.metric, f.field_name,
    f.field_value
),
counted AS (
  SELECT
    s.*,
    COUNT(*) OVER (PARTITION BY run_id, metric, field_name) AS slice_count,
    SUM(row_count) OVER (PARTITION BY run_id, metric, field_name) AS field_row_count
  FROM slice AS s
)
SELECT
  run_id,
  project_id,
  evaluation_name,
  model_id,
  model_name,
  run_started_at,
  metric,
  field_name,
  field_value,
  row_count,
  scored_count,
  CASE WHEN is_binary THEN mean_value END AS pass_rate,
  mean_value
FROM counted
WHERE slice_count <= 50 AND field_row_count > slice_count
