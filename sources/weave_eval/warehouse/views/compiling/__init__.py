"""Makes `views.json` of the views' own files. Loads never import it: it takes sqlglot and DuckDB, and its time."""
