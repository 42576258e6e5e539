-- Comparisons: one row for each pair of a project's runs and each metric, on the rows they share; filter by both runs.
-- key: baseline_run_id, run_id, metric
-- baseline_run_id: Baseline run (A).
-- run_id: Run compared with the baseline (B).
-- metric: Scorer and path as one name, such as correct or tone.polite.
-- baseline_model_id: Version of the model in A.
-- is_binary: Whether all values of both runs are true or false.
-- common_row_count: Rows that both runs have a value for.
-- baseline_row_count: Rows that A has a value for.
-- row_count: Rows that B has a value for.
-- improved_count: Common rows that are better in B, taking higher as better.
-- regressed_count: Common rows that are worse in B.
-- baseline_mean: Mean of the common rows in A.
-- mean_value: Mean of the common rows in B.
-- difference: Mean difference of the common rows, B minus A.
-- standard_error: Standard error of the difference; null for one row, and where all rows moved by the same.
-- difference_low: Lower end of the difference's 95 % interval (paired t).
-- difference_high: Upper end of the difference's 95 % interval (paired t).
-- p_value: Two-sided p of the exact sign test on improved and regressed rows; exact McNemar's test for pass or fail.
-- is_significant: Whether p_value is below 0.05 for pass or fail, and for numbers without an interval; else whether the interval excludes 0.
-- is_same_dataset: Whether both runs have values for the same rows.
-- is_same_scorer: Whether both used the same version of the scorer; null if unknown.
-- is_comparable: Whether both runs are completed and reconciled, over the same rows, with no difference in scorer version.
WITH digit AS (
  SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9
),
number AS (
  SELECT h.d * 100 + t.d * 10 + o.d AS i
  FROM digit AS h CROSS JOIN digit AS t CROSS JOIN digit AS o
),
-- Each step is used once, so that a filter on the runs reaches the scores.
pair AS (
  SELECT
    baseline_run_id,
    run_id,
    metric,
    scorer_name,
    COUNT(CASE WHEN NOT is_binary THEN 1 END) = 0 AS is_binary,
    COUNT(*) AS common_row_count,
    COUNT(CASE WHEN change = 'improved' THEN 1 END) AS improved_count,
    COUNT(CASE WHEN change = 'regressed' THEN 1 END) AS regressed_count,
    mean_of_all(baseline_value) AS baseline_mean,
    mean_of_all(value) AS mean_value,
    mean_of_all(difference) AS difference,
    spread_of_all(difference, GREATEST(ABS(baseline_value), ABS(value))) / SQRT(COUNT(*)) AS standard_error
  FROM fct_row_changes
  GROUP BY baseline_run_id, run_id, metric, scorer_name
),
discordant AS (
  SELECT
    p.*,
    CAST(improved_count + regressed_count AS DOUBLE) AS n,
    CASE WHEN improved_count < regressed_count THEN improved_count ELSE regressed_count END AS k
  FROM pair AS p
),
-- Logarithm of C(n, i) / 2^n for i up to k: each term adds ln((n - i + 1) / i). Beyond a thousand, only i = 0.
term AS (
  SELECT
    d.*,
    SUM(CASE WHEN x.i = 0 THEN -d.n * LN(2) ELSE LN((d.n - x.i + 1) / x.i) END)
      OVER (PARTITION BY d.baseline_run_id, d.run_id, d.metric, d.scorer_name ORDER BY x.i) AS log_share,
    LEAST((d.n - 2 * d.k - 1) / SQRT(2 * GREATEST(d.n, 1)), 26) AS z
  FROM discordant AS d
  JOIN number AS x ON x.i = 0 OR (x.i <= d.k AND d.k <= 999)
),
tail AS (
  SELECT
    baseline_run_id,
    run_id,
    metric,
    scorer_name,
    is_binary,
    common_row_count,
    improved_count,
    regressed_count,
    baseline_mean,
    mean_value,
    difference,
    standard_error,
    -- The normal approximation with continuity correction (Abramowitz and Stegun 7.1.26) for more than a thousand.
    CASE
      WHEN k > 999 AND z <= 0 THEN CAST(1 AS DOUBLE)
      WHEN k > 999
        THEN EXP(-z * z) / (1 + 0.3275911 * z) * (
          0.254829592 + 1 / (1 + 0.3275911 * z) * (
            -0.284496736 + 1 / (1 + 0.3275911 * z) * (
              1.421413741 + 1 / (1 + 0.3275911 * z) * (
                -1.453152027 + 1 / (1 + 0.3275911 * z) * 1.061405429
              )
            )
          )
        )
      ELSE 2 * SUM(CASE WHEN log_share > -700 THEN EXP(log_share) ELSE 0 END)
    END AS p,
    -- Student's t for 95 %: Cornish and Fisher's expansion (Abramowitz and Stegun 26.7.5); 1 and 2 degrees by table.
    CASE
      WHEN common_row_count = 2 THEN 12.7062047
      WHEN common_row_count = 3 THEN 4.3026527
      WHEN common_row_count > 3
        THEN 1.9599640
          + 2.3722712 / (common_row_count - 1)
          + 2.8225025 / POWER(common_row_count - 1, 2)
          + 2.5558497 / POWER(common_row_count - 1, 3)
          + 1.5895341 / POWER(common_row_count - 1, 4)
    END * standard_error AS half_width
  FROM term
  GROUP BY
    baseline_run_id, run_id, metric, scorer_name, is_binary, common_row_count, improved_count, regressed_count,
    baseline_mean, mean_value, difference, standard_error, k, z
),
scorer_a AS (
  SELECT run_id, scorer_name, MIN(scorer_ref) AS scorer_ref
  FROM dim_run_scorers
  GROUP BY run_id, scorer_name
),
scorer_b AS (
  SELECT run_id, scorer_name, MIN(scorer_ref) AS scorer_ref
  FROM dim_run_scorers
  GROUP BY run_id, scorer_name
)
SELECT
  t.baseline_run_id,
  t.run_id,
  b.project_id,
  b.evaluation_name,
  a.model_id AS baseline_model_id,
  b.model_id,
  t.metric,
  t.scorer_name,
  t.is_binary,
  t.common_row_count,
  sa.row_count AS baseline_row_count,
  sb.row_count,
  t.improved_count,
  t.regressed_count,
  t.baseline_mean,
  t.mean_value,
  t.difference,
  t.standard_error,
  t.difference - t.half_width AS difference_low,
  t.difference + t.half_width AS difference_high,
  CASE
    WHEN t.difference IS NULL THEN NULL
    WHEN t.p < 1 THEN t.p
    ELSE CAST(1 AS DOUBLE)
  END AS p_value,
  CASE
    WHEN t.difference IS NULL THEN NULL
    WHEN t.is_binary OR t.half_width IS NULL THEN t.p < 0.05
    ELSE ABS(t.difference) > t.half_width
  END AS is_significant,
  t.common_row_count = sa.row_count AND t.common_row_count = sb.row_count AS is_same_dataset,
  va.scorer_ref = vb.scorer_ref AS is_same_scorer,
  a.status = 'completed'
    AND b.status = 'completed'
    AND COALESCE(a.is_reconciled, FALSE)
    AND COALESCE(b.is_reconciled, FALSE)
    AND t.common_row_count = sa.row_count
    AND t.common_row_count = sb.row_count
    AND COALESCE(va.scorer_ref = vb.scorer_ref, TRUE) AS is_comparable
FROM tail AS t
JOIN dim_runs AS a ON a.run_id = t.baseline_run_id
JOIN dim_runs AS b ON b.run_id = t.run_id
JOIN fct_run_scores AS sa ON sa.run_id = t.baseline_run_id AND sa.metric = t.metric AND sa.scorer_name = t.scorer_name
JOIN fct_run_scores AS sb ON sb.run_id = t.run_id AND sb.metric = t.metric AND sb.scorer_name = t.scorer_name
LEFT JOIN scorer_a AS va ON va.run_id = t.baseline_run_id AND va.scorer_name = t.scorer_name
LEFT JOIN scorer_b AS vb ON vb.run_id = t.run_id AND vb.scorer_name = t.scorer_name
