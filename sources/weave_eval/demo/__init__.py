"""A recorded Weave project, served by a small local API, to try the connector without an account.

Here belong the recording, the API that answers from it, its load, and the first questions to ask of the tables. What
is printed does not: that is the command's. The API answers only what the connector asks; the tests' server, which
imitates Weave in full, is in `tests/weave_server`.
"""
