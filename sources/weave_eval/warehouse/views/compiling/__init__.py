"""Makes `views.json` of the views' own files. Loads never import it: it needs sqlglot and DuckDB, and is slow."""
