"""What runs say of models, computed from their trials: statistics, comparisons, and the rules of a gate.

Nothing here knows where the trials come from; `warehouse/judged_runs.py` and `api_runs.py` bring them.
"""
