"""The views: what they are, how they are compiled for each warehouse, and how they are made there."""
