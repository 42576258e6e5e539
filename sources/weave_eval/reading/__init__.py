"""Reading a project: which runs there are (`discovery`), their results (`results`), and related data (`related`).

One module for each thing that is read and for each step of reading results. What to read is decided in `state`, how
it becomes rows is in `rows`, and where the rows go is in `loading`.
"""
