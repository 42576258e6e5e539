"""The report: what a warehouse says about evaluations, as one HTML file without scripts that needs no network.

Here belong the queries on the views, the facts they give, what the page says and draws from them, and its templates.
Statistics do not: those come from `judging` and from the views. Arguments and messages are the command's.
"""
