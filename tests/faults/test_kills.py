"""Loads that are killed at any moment, several times in a row, and one that is not: the tables are as if none was."""

from __future__ import annotations

import random

import pytest

from tests.evidence import Record
from tests.faults.loads import PROJECT, Loads, assert_whole
from tests.loads import days_ago

KILLS = 3
"""Loads that are killed in a row."""


@pytest.fixture(scope="module")
def seconds_of_a_load() -> dict[str, float]:
    """The processor time of a load that nobody disturbs, by warehouse, as last measured."""
    return {"duckdb": 3.0, "postgres": 2.5}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(4))
def test_killed_loads_lose_and_double_nothing(
    loads: Loads, record: Record, seconds_of_a_load: dict[str, float], seed: int
) -> None:
    name = loads.landing.warehouse.name
    dice = random.Random(f"{name} {seed}")
    stages = [loads.kill_after(dice.uniform(0.0, seconds_of_a_load[name])) for _ in range(KILLS)]
    loads.landing.server.bulk(PROJECT, runs=2, rows=8, trials=1, scorers=2, start=days_ago(1), name="helpdesk")
    stages += [loads.kill_after(dice.uniform(0.0, seconds_of_a_load[name])) for _ in range(KILLS)]
    loads.finish()
    assert_whole(loads)
    record("kill rounds, each of several kills", name)
    for stage in stages:
        if stage != "had ended":
            record("loads killed", name, column=stage)
