"""What works on loaded tables: reading them through SQLAlchemy."""
