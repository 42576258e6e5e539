"""The queries of the documentation have the same answers in all four warehouses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.place import EPOCH_FOR_NULL
from tests.documentation import DOCS, README, blocks
from tests.stand_ins.fixtures import duckdb_file
from tests.stand_ins.warehouse import Warehouse
from weave_eval.cli.program import main

QUESTIONS = blocks("sql", README, DOCS / "questions.md")
OF_THIS_MOMENT = {
    "days_since_last_run": "last_started_at",
    "days_since_sync": "run_count",
    "last_sync_finished_at": "last_run_finished_at",
}
"""Columns that differ from load to load, and others of the same views that can be compared in their place."""

Answers = list[tuple[Any, ...]]


class Demo:
    """The demo's tables and views in a warehouse."""

    def __init__(self, warehouse: Warehouse):
        self._warehouse, self._dataset = warehouse, warehouse.new_dataset()
        assert main(["demo", "--destination", warehouse.name, "--dataset", self._dataset]) == 0

    def answers(self, sql: str) -> Answers:
        """What the warehouse answers, in types that all of them share."""
        found = self._warehouse.rows(re.sub(r"\bweave\.", f"{self._dataset}.", sql))
        return [tuple(plain(value, self._warehouse) for value in row) for row in found]

    def drop(self) -> None:
        """Drops the tables."""
        self._warehouse.drop(self._dataset)


def plain(value: Any, warehouse: Warehouse) -> Any:
    """The value in a type that every warehouse has."""
    if isinstance(value, datetime):
        if EPOCH_FOR_NULL in warehouse.differences and value.timestamp() == 0:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.startswith("{"):
        return json.dumps(json.loads(value), sort_keys=True)  # Postgres keeps JSON in an order of its own
    return value


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo in a DuckDB file."""
    warehouse = duckdb_file(tmp_path_factory.mktemp("reference") / "warehouse.duckdb")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in warehouse.environment.items():
            patch.setenv(name, value)
        return Demo(warehouse)


@pytest.fixture(scope="module")
def demo(reference: Demo, module_warehouse: Warehouse) -> Iterator[Demo]:
    """The demo in each warehouse."""
    if module_warehouse.name == "duckdb":
        yield reference
        return
    found = Demo(module_warehouse)
    yield found
    found.drop()


@pytest.mark.parametrize("number", range(len(QUESTIONS)), ids=lambda number: str(number + 1))
def test_a_question_has_an_answer_that_is_the_same_everywhere(demo: Demo, reference: Demo, number: int) -> None:
    assert demo.answers(QUESTIONS[number])
    sql = re.sub("|".join(OF_THIS_MOMENT), lambda name: OF_THIS_MOMENT[name.group()], QUESTIONS[number])
    expected = [tuple(map(near, row)) for row in by_text(reference.answers(sql))]
    assert by_text(demo.answers(sql)) == expected


def near(value: Any) -> Any:
    """The value, as near as two warehouses compute it."""
    return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value


def by_text(answers: Answers) -> Answers:
    """In an order that does not depend on the warehouse's collation."""
    return sorted(answers, key=lambda row: [f"{v:.6g}" if isinstance(v, float) else str(v) for v in row])
