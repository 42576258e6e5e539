"""Processes of the command line that run beside each other, and the places they meet in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.place import Landing
from tests.faults.conftest import starter, warehouse
from tests.faults.launcher import Launcher
from tests.loads import days_ago
from tests.overlap.machines import PROJECT, Machines
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer

__all__ = ["starter", "warehouse"]


@pytest.fixture
def machines(warehouse: Warehouse, server: WeaveServer, starter: Launcher, tmp_path: Path) -> Iterator[Machines]:
    """An empty place, and a project of three runs to load into it."""
    server.bulk(PROJECT, runs=3, rows=6, trials=2, scorers=2, start=days_ago(4), name="first")
    made = Machines(Landing(server, PROJECT, tmp_path, warehouse, warehouse.new_dataset()), starter)
    yield made
    warehouse.drop(made.landing.dataset)
