"""The views: what they are, how they are compiled for each dialect, and how they are found and made through a client.

Which dialect a warehouse speaks, and in which way it makes views, is said by its class.
"""
