-- Input fields: one row for each top-level field of an input, to slice results by.
-- key: input_id, field_name
-- input_id: The input's key in one column: project and digest.
-- field_name: Name of the field.
-- field_value: Value of the field as text; JSON text for lists, objects, numbers and booleans.
SELECT
  d.project_id || ':' || d.row_digest AS input_id,
  d.project_id,
  d.row_digest,
  field.name AS field_name,
  field.value AS field_value
FROM dataset_rows AS d
CROSS JOIN json_fields(d.inputs) AS field(name, value)
