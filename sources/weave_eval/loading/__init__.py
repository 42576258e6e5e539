"""Loads: planned, read, handed to dlt, proven and recorded; and the commands that repair or check them.

The course of a load: `planning` says what to read, `extraction` reads it package by package, `execution` has dlt load
the packages and proves what landed, `records` writes down what was done. `load` and `verify` are the ways in. How pages
are read belongs in `reading`, what a warehouse can do in `warehouse`.
"""
