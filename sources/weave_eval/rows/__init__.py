"""Answers to rows of our tables: flattened, made private, built into Arrow columns. Pure functions of data.

No request, no dlt and no warehouse: what is read and where it goes is decided elsewhere.
"""
