-- Score distribution: one row for each run, metric and bucket; the buckets of a metric are the same in all runs of a project. Numbers of 1e100 or more are left out.
-- key: run_id, metric, bucket
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- run_started_at: When the run started.
-- bucket: Number of the bucket of ten between the metric's lowest and highest value, from 0; or the text itself, or true or false.
-- bucket_low: Where a bucket of numbers starts.
-- bucket_high: Where it ends; only the last bucket includes its end.
-- trial_count: Trials in the bucket.
-- share: Share of the run's trials with the metric, 0 to 1.
WITH bound AS (
  SELECT project_id, metric, MIN(value) AS low, MAX(value) AS high
  FROM fct_scores
  WHERE value_type = 'continuous' AND computable(value) IS NOT NULL
  GROUP BY project_id, metric
),
placed AS (
  SELECT
    s.run_id,
    s.project_id,
    s.evaluation_name,
    s.model_id,
    s.model_name,
    s.run_started_at,
    s.metric,
    CASE
      WHEN s.value_type <> 'continuous' OR b.low IS NULL THEN NULL
      WHEN is_same(b.high, b.low) THEN CAST(0 AS DOUBLE)
      WHEN s.value >= b.high THEN CAST(9 AS DOUBLE)
      ELSE FLOOR(10 * ((s.value - b.low) / (b.high - b.low)) + 1e-9)
    END AS position_,
    CASE
      WHEN s.value_type = 'binary' AND s.is_passed THEN 'true'
      WHEN s.value_type = 'binary' THEN 'false'
      ELSE s.value_text
    END AS label,
    b.low,
    b.high
  FROM fct_scores AS s
  LEFT JOIN bound AS b ON b.project_id = s.project_id AND b.metric = s.metric
  WHERE s.value_type IN ('binary', 'text') OR (s.value_type = 'continuous' AND computable(s.value) IS NOT NULL)
)
SELECT
  run_id,
  project_id,
  evaluation_name,
  model_id,
  model_name,
  run_started_at,
  metric,
  COALESCE(CAST(CAST(position_ AS BIGINT) AS VARCHAR), label) AS bucket,
  CASE
    WHEN position_ IS NULL THEN NULL
    WHEN is_same(high, low) THEN low
    ELSE low + position_ * (high - low) / 10
  END AS bucket_low,
  CASE
    WHEN position_ IS NULL THEN NULL
    WHEN is_same(high, low) THEN high
    ELSE low + (position_ + 1) * (high - low) / 10
  END AS bucket_high,
  COUNT(*) AS trial_count,
  CAST(COUNT(*) AS DOUBLE) / SUM(COUNT(*)) OVER (PARTITION BY run_id, metric) AS share
FROM placed
GROUP BY
  run_id, project_id, evaluation_name, model_id, model_name, run_started_at, metric, position_, label, low, high
