"""What the trials of runs say about models: statistics, comparisons, and the rules of a gate.

Here belong computations on runs that are already in memory, and the sentences that state their outcome. Reading the
runs does not: `RunSource` in `run_results.py` says what is asked of a place that has runs, and
`warehouse/judged_runs.py` and `reading/judged_runs.py` are the two that answer. Nothing here imports dlt, requests or
SQLAlchemy.
"""
