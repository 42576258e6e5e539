"""LookML made from the tables and views: a view for each, explores that join them, and a dashboard."""
