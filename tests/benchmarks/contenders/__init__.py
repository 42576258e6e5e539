"""What is measured, each a program of its own: `python -m tests.benchmarks.contenders.NAME URL DESTINATION`.

The destination is the path of a DuckDB file, or the URL of a Postgres.
"""
