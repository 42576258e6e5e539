"""HTTP to Weave's API: the client with its limits, retries and errors, and what requests and answers have in common.

That is: streams of calls, pages of lists, JSON lines, query expressions. What one endpoint's answer means belongs in
`reading`; what a value in it means, in `weave`.
"""
