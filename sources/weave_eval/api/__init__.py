"""HTTP to Weave's API: the client, its limits and errors, and the shapes of answers that endpoints share.

What an endpoint's answer means belongs in `reading`.
"""
