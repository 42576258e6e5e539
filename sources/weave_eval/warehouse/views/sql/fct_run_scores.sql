-- Run scores: one row for each run and metric: pass rate and mean with their 95 % intervals.
-- key: run_id, metric
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- is_binary: Whether all values are true or false.
-- run_started_at: When the run started.
-- row_count: Rows that have a value.
-- scored_count: Trials that have a value.
-- pass_count: Trials that passed.
-- passed_row_count: Rows in which every scored trial passed.
-- mean_value: Mean of the rows' means; true counts 1 and false 0. A row counts once, however many trials it has.
-- standard_error: Standard error of the mean of the rows' means; null for fewer than two rows, and where all are the same, which says nothing of others.
-- mean_low: Lower end of the mean's 95 % interval (Student's t over rows); null without a standard error.
-- mean_high: Upper end of the mean's 95 % interval.
-- pass_rate: Mean of the rows' shares of passed trials, 0 to 1; null unless binary.
-- pass_rate_low: Lower end of the pass rate's 95 % interval (Wilson 1927, over rows).
-- pass_rate_high: Upper end of the pass rate's 95 % interval (Wilson 1927, over rows).
-- detectable_difference: Smallest true change of the mean that a second run with as many rows would show with 80 % power at the 5 % level, if rows were not paired: 2.8 standard errors times the square root of 2.
-- cost_per_passed_row: Cost of the run's predictions for each passed row, in US dollars.
SELECT
  g.run_id,
  g.project_id,
  g.evaluation_id,
  g.evaluation_name,
  g.model_id,
  g.model_name,
  g.status,
  g.run_started_at,
  g.metric,
  g.scorer_name,
  g.path,
  g.is_binary,
  g.row_count,
  g.scored_count,
  g.pass_count,
  g.passed_row_count,
  g.mean_value,
  g.standard_error,
  g.mean_value - g.half_width AS mean_low,
  g.mean_value + g.half_width AS mean_high,
  CASE WHEN g.is_binary THEN g.mean_value END AS pass_rate,
  CASE
    WHEN g.is_binary THEN (
      g.mean_value + 1.9207294 / g.row_count
      - 1.959964 * SQRT((g.mean_value * (1 - g.mean_value) + 0.9603647 / g.row_count) / g.row_count)
    ) / (1 + 3.8414588 / g.row_count)
  END AS pass_rate_low,
  CASE
    WHEN g.is_binary THEN (
      g.mean_value + 1.9207294 / g.row_count
      + 1.959964 * SQRT((g.mean_value * (1 - g.mean_value) + 0.9603647 / g.row_count) / g.row_count)
    ) / (1 + 3.8414588 / g.row_count)
  END AS pass_rate_high,
  2.8015852 * SQRT(2) * g.standard_error AS detectable_difference,
  CASE WHEN g.passed_row_count > 0 THEN r.total_cost / g.passed_row_count END AS cost_per_passed_row
FROM (
  SELECT
    run_id,
    project_id,
    evaluation_id,
    evaluation_name,
    model_id,
    model_name,
    status,
    run_started_at,
    metric,
    scorer_name,
    path,
    COUNT(CASE WHEN NOT is_binary THEN 1 END) = 0 AS is_binary,
    COUNT(*) AS row_count,
    CAST(SUM(scored_count) AS BIGINT) AS scored_count,
    CAST(SUM(pass_count) AS BIGINT) AS pass_count,
    COUNT(CASE WHEN is_passed THEN 1 END) AS passed_row_count,
    mean_of_all(mean_value) AS mean_value,
    spread_of_all(mean_value, ABS(mean_value)) / SQRT(COUNT(*)) AS standard_error,
    -- Student's t for 95 %: Cornish and Fisher's expansion (Abramowitz and Stegun 26.7.5); 1 and 2 degrees by table.
    spread_of_all(mean_value, ABS(mean_value)) / SQRT(COUNT(*)) * CASE
      WHEN COUNT(*) = 2 THEN 12.7062047
      WHEN COUNT(*) = 3 THEN 4.3026527
      WHEN COUNT(*) > 3
        THEN 1.9599640
          + 2.3722712 / (COUNT(*) - 1)
          + 2.8225025 / POWER(COUNT(*) - 1, 2)
          + 2.5558497 / POWER(COUNT(*) - 1, 3)
          + 1.5895341 / POWER(COUNT(*) - 1, 4)
    END AS half_width
  FROM fct_row_scores
  GROUP BY
    run_id, project_id, evaluation_id, evaluation_name, model_id, model_name, status, run_started_at, metric,
    scorer_name, path
) AS g
JOIN dim_runs AS r ON r.run_id = g.run_id
