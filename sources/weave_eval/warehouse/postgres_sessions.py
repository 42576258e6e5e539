"""What every session with Postgres is set to, however it is opened."""

from __future__ import annotations

END_WITH_CLIENT = """
SELECT set_config(name, '5s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"""
"""Ends a query within seconds after the process that asked it; Postgres 13 and older have no such setting."""
