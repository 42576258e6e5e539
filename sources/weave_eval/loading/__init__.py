"""Loads: planned, read, handed to dlt, proven and recorded; and the commands that repair or check them."""
