"""What breaks beside Weave: the disk is full, the warehouse ends connections, the clock goes back."""

from __future__ import annotations

import time

import pytest

from tests.faults.launcher import CLOCK_SECONDS, FILE_BYTES
from tests.faults.loads import Loads, assert_whole
from tests.loads import days_ago
from weave_eval.cli.exit_codes import FAILED

END_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"""


@pytest.mark.slow
@pytest.mark.parametrize("size", [1500, 6000, 40_000])
@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_a_full_disk_is_named_and_the_next_load_is_whole(loads: Loads, size: int) -> None:
    loads.finish()
    loads.landing.server.bulk(loads.project, runs=2, rows=30, start=days_ago(1), name="later")
    command = loads.start(**{FILE_BYTES: str(size)})
    assert command.exit_code() == FAILED, command.output.read_text()
    said = command.output.read_text()
    assert "Traceback" not in said
    assert "full" in said
    loads.finish()
    assert_whole(loads)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_connections_that_the_warehouse_ends(loads: Loads, after: float) -> None:
    command = loads.start()
    while not command.ended.exists() and command.seconds_so_far() < after:
        time.sleep(0.01)
    while not command.ended.exists():
        loads.landing.warehouse.rows(END_CONNECTIONS)
        time.sleep(0.02)
    assert command.exit_code() == FAILED, command.output.read_text()
    said = command.output.read_text()
    assert "Traceback" not in said
    assert "The destination 'postgres' (postgres) refused" in said
    loads.finish()
    assert_whole(loads)


@pytest.mark.slow
def test_a_clock_that_goes_back(loads: Loads) -> None:
    """On one machine into Postgres, and on a new one each time into DuckDB."""
    day, keeps_state = 86_400, loads.landing.warehouse.name == "postgres"
    loads.finish()
    for number, seconds in enumerate((-2 * day, 3 * day, -5 * day)):
        start = days_ago(1 - number / 10)
        loads.landing.server.bulk(loads.project, runs=1, rows=4 + number, start=start, name=f"later-{number}")
        more = {} if keeps_state else {"DLT_DATA_DIR": str(loads.landing.folder / f"machine-{number}")}
        loads.finish(**{CLOCK_SECONDS: str(seconds)}, **more)
    assert_whole(loads)
