"""The views: what they are, how they are compiled for each dialect, and how they are found and made through a client.

A warehouse's class says which dialect it speaks and how it makes views.
"""
