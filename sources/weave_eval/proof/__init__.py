"""Whether what landed is what Weave has: counts and aggregates compared. Pure functions of data.

The warehouse is asked through a reader that the caller hands over.
"""
