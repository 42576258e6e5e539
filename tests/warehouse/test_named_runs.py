"""Merges that name runs do so only where the names are plain and few."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weave_eval.schema import SCOPE
from weave_eval.warehouse.named_runs import _MOST_NAMED, _Merge

STAGED = '"weave_staging"."scores"'
DELETE = "DELETE FROM scores WHERE "
OF_THE_PROJECT = f" AND project_id IN (SELECT project_id FROM {STAGED})"


class Staging:
    """Answers with the ids of staged runs, to whoever asks for them in these words."""

    def __init__(self, run_ids: list[str]):
        self._run_ids = run_ids

    def execute_sql(self, query: str) -> list[tuple[str]]:
        assert query == f"SELECT DISTINCT run_id FROM {STAGED} ORDER BY run_id"
        return [(run_id,) for run_id in self._run_ids]


def merged(run_ids: list[str], tmp_path: Path) -> list[str]:
    """The statements of a merge of these runs."""
    job: Any = _Merge(str(tmp_path / "scores.0123456789.0.sql"))
    job._sql_client = Staging(run_ids)
    sql = f"{DELETE}{SCOPE.format(staging_table=STAGED)};\nINSERT INTO scores SELECT * FROM {STAGED}"
    statements: list[str] = job._split_fragments(sql)
    assert statements.pop() == f"INSERT INTO scores SELECT * FROM {STAGED}"
    return statements


def test_runs_are_named(tmp_path: Path) -> None:
    assert merged(["0198-a", "0199-b"], tmp_path) == [f"{DELETE}run_id IN ('0198-a', '0199-b'){OF_THE_PROJECT}"]


@pytest.mark.parametrize("odd", ["it's", "a;b", "", "x\n", "é"])
def test_odd_names_are_asked_for(odd: str, tmp_path: Path) -> None:
    assert merged(["0198-a", odd], tmp_path) == [f"{DELETE}run_id IN (SELECT run_id FROM {STAGED}){OF_THE_PROJECT}"]


@pytest.mark.parametrize(("count", "is_named"), [(0, False), (_MOST_NAMED, True), (_MOST_NAMED + 1, False)])
def test_neither_none_nor_too_many_are_named(count: int, is_named: bool, tmp_path: Path) -> None:
    (statement,) = merged([str(number) for number in range(count)], tmp_path)
    assert ("SELECT run_id" not in statement) == is_named
