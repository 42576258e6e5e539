"""The warehouses: what differs between them, how they are reached, and what they hold.

`base` says what is asked of a warehouse; each has a class in a module of its own, and what takes more room is
beside it (`postgres_copy`, `bigquery_api`). Nothing outside this package asks what type a warehouse is. What is
read from Weave, loaded, exported or shown belongs elsewhere.
"""
