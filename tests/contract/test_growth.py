"""What a load asks of a warehouse follows from what changed, not from what the warehouse holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import new_landing
from tests.contract.place import Landing
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import WeaveServer
from weave_eval.warehouse.connection import job_client

FEW, MANY, CHANGED = 2, 12, 2
LATER = "2026-06-01T00:00:00+00:00"
RUN_TABLES = ["evaluation_runs", "result_rows", "trials", "scores", "scorer_stats", "reconciliations"]
OF_ONE_LOAD = re.compile(r"'[^']*'|\b\d+(\.\d+)*\b|[0-9a-f]{8,}")
"""Values, numbers and parts of names that differ between statements that ask the same about other runs."""


@contextmanager
def recorded(landing: Landing) -> Iterator[list[str]]:
    """What loads ask of the warehouse meanwhile: statements, or several at once, each with the number of parameters."""
    with job_client(landing.profile) as client:
        kind = type(client.sql_client)
    issued: list[str] = []
    plain = kind.execute_query

    def execute_query(self: Any, query: Any, *values: Any, **named: Any) -> Any:
        issued.append(f"{query} -- {len(values)}")
        return plain(self, query, *values, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "execute_query", execute_query)
        yield issued


def shapes(landing: Landing, issued: list[str]) -> Counter[str]:
    """How often each statement was issued, whatever runs and moments it speaks of."""
    name = re.compile(landing.dataset, re.IGNORECASE)
    each = [statement for statements in issued for statement in statements.split(";\n")]
    return Counter(OF_ONE_LOAD.sub("?", name.sub("dataset", statement)) for statement in each)


def require_names(landing: Landing, issued: list[str], run_ids: list[str]) -> None:
    """Each table of runs was relieved of these runs by name."""
    names = ", ".join(f"'{run_id}'" for run_id in sorted(run_ids))
    for table in RUN_TABLES:
        delete = f"DELETE FROM {landing.warehouse.table(landing.dataset, table)} WHERE run_id IN ({names})"
        assert any(delete in statement for statement in issued), delete


def test_what_a_load_asks_follows_from_what_changed(warehouse: Warehouse, server: WeaveServer, tmp_path: Path) -> None:
    found = []
    for held in (FEW, MANY):
        server.reset()
        server.bulk(PROJECT, runs=held, rows=3)
        for landing in new_landing(warehouse, server, tmp_path / str(held)):
            landing.load()
            came = server.bulk(PROJECT, runs=CHANGED, rows=3, start=LATER)
            with recorded(landing) as issued:
                landing.load()
            assert len(landing.statuses()) == held + CHANGED
            found.append(shapes(landing, issued))
            if warehouse.name in {"bigquery", "snowflake"}:
                require_names(landing, issued, came)
    few, many = found
    assert sum(few.values()) > len(RUN_TABLES)
    assert many == few
