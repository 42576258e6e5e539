"""A recorded Weave project, served by a small local API, to try the connector without an account."""
