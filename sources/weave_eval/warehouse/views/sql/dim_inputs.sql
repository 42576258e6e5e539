-- Inputs: one row for each distinct input of a project.
-- key: input_id
-- input_id: The input's key in one column: project and digest.
-- input_text: The input as JSON text.
SELECT
  project_id || ':' || row_digest AS input_id,
  project_id,
  row_digest,
  inputs,
  json_text(inputs) AS input_text,
  input_ref,
  is_resolved
FROM dataset_rows
