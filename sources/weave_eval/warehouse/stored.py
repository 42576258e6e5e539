"""Which runs a warehouse holds."""

from __future__ import annotations

from sqlalchemy import inspect, select

from ..destinations import Profile
from .engine import reading
from .metadata import sql_tables


def stored_run_ids(profile: Profile, project: str) -> set[str]:
    """Ids of the project's runs in the warehouse; none before the first load."""
    with reading(profile) as connection:
        if not inspect(connection).has_table("evaluation_runs", schema=profile.dataset):
            return set()
        runs = sql_tables(profile.dataset)["evaluation_runs"].c
        return set(connection.scalars(select(runs.run_id).where(runs.project_id == project)))
