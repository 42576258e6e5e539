"""Reading a project: which runs there are, their results, and what belongs to them.

One module for each thing that is read. What to read is decided in `state`, and what becomes of it in `loading`.
"""
