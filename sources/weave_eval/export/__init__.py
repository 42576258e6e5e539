"""Tables, views and answers to questions as files: CSV, Parquet and Excel.

How a warehouse spells names and types in its results is up to its class; reports and catalogues are not files of this
kind.
"""
