-- Scorer agreement: one row for each pair of a run's pass/fail metrics: do they give the same trials the same verdict?
-- key: run_id, metric_a, metric_b
-- metric_a: First metric, by name.
-- metric_b: Second metric.
-- trial_count: Trials that have both metrics.
-- both_pass_count: Trials that pass both.
-- both_fail_count: Trials that fail both.
-- only_a_count: Trials that pass only the first.
-- only_b_count: Trials that pass only the second.
-- agreement: Share of trials on which they agree, 0 to 1.
-- kappa: Agreement beyond chance, at most 1 (Cohen 1960); null where chance alone would make them always agree.
WITH pair AS (
  SELECT
    a.run_id,
    a.project_id,
    a.evaluation_name,
    a.model_id,
    a.model_name,
    a.metric AS metric_a,
    b.metric AS metric_b,
    COUNT(*) AS trial_count,
    COUNT(CASE WHEN a.is_passed AND b.is_passed THEN 1 END) AS both_pass_count,
    COUNT(CASE WHEN NOT a.is_passed AND NOT b.is_passed THEN 1 END) AS both_fail_count,
    COUNT(CASE WHEN a.is_passed AND NOT b.is_passed THEN 1 END) AS only_a_count,
    COUNT(CASE WHEN NOT a.is_passed AND b.is_passed THEN 1 END) AS only_b_count
  FROM fct_scores AS a
  JOIN fct_scores AS b ON b.trial_id = a.trial_id AND b.metric > a.metric
  WHERE a.is_passed IS NOT NULL AND b.is_passed IS NOT NULL
  GROUP BY a.run_id, a.project_id, a.evaluation_name, a.model_id, a.model_name, a.metric, b.metric
),
chance AS (
  SELECT
    p.*,
    CAST(p.both_pass_count + p.both_fail_count AS DOUBLE) / p.trial_count AS observed,
    (
      CAST(p.both_pass_count + p.only_a_count AS DOUBLE) * (p.both_pass_count + p.only_b_count)
      + CAST(p.both_fail_count + p.only_b_count AS DOUBLE) * (p.both_fail_count + p.only_a_count)
    ) / p.trial_count / p.trial_count AS expected
  FROM pair AS p
)
SELECT
  run_id,
  project_id,
  evaluation_name,
  model_id,
  model_name,
  metric_a,
  metric_b,
  trial_count,
  both_pass_count,
  both_fail_count,
  only_a_count,
  only_b_count,
  observed AS agreement,
  CASE WHEN expected < 1 THEN (observed - expected) / (1 - expected) END AS kappa
FROM chance
