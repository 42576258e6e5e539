"""What a load costs: ours, the floor under any load, and what a user would write or configure instead.

`python -m tests.benchmarks --help` says how to measure; nothing here is timed by a test.
"""
