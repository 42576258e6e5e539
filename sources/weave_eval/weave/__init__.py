"""What Weave's answers are: refs, runs, pages of results, trials, and the filters that choose runs.

Parsing and cleaning alone: nothing here sends a request, knows a table or imports another package of ours.
"""
