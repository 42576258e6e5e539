"""Exports from each warehouse hold what its tables hold, in the same types."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.contract.place import EPOCH_FOR_NULL, Landing
from weave_eval.cli.program import main
from weave_eval.rows.arrow import ARROW_TYPES
from weave_eval.tables import TABLES_BY_NAME


@pytest.fixture
def profile(loaded: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Landing:
    """The loaded dataset under the profile `here`, and an empty current folder."""
    lines = f'[{loaded.warehouse.name}]\ntype = "{loaded.warehouse.name}"\ndataset = "{loaded.dataset}"\n'
    (tmp_path / "destinations.toml").write_text(lines, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return loaded


def exported(landing: Landing, query: str) -> pa.Table:
    assert main(["export", query, "--out", "x.parquet", "--destination", landing.warehouse.name]) == 0
    return pq.read_table("x.parquet")


@pytest.mark.parametrize("name", ["evaluation_runs", "trials", "scores"])
def test_a_table_keeps_its_types_and_rows(profile: Landing, name: str) -> None:
    found = exported(profile, name)
    table = TABLES_BY_NAME[name]
    assert {field.name: field.type for field in found.schema} == {c.name: ARROW_TYPES[c.type] for c in table.columns}
    stored = {tuple(row[part] for part in table.key): row for row in profile.tables()[name]}
    rows = {tuple(row[part] for part in table.key): row for row in found.to_pylist()}
    assert rows.keys() == stored.keys()
    for column in table.columns:
        if column.type == "timestamp" and EPOCH_FOR_NULL in profile.warehouse.differences:
            continue
        for key, row in rows.items():
            value = row[column.name]
            is_json = column.type == "json" and value is not None
            assert (json.loads(value) if is_json else value) == stored[key][column.name], column.name


def test_a_question_is_answered(profile: Landing) -> None:
    query = """
        WITH scores AS (SELECT run_id, value_bool FROM scores WHERE scorer_name LIKE '%' AND value_bool IS NOT NULL)
        SELECT r.status, COUNT(*) AS n, AVG(CASE WHEN s.value_bool THEN 1.0 ELSE 0.0 END) AS rate, '%%' AS percent
        FROM evaluation_runs r JOIN scores s ON s.run_id = r.run_id GROUP BY r.status ORDER BY n DESC"""
    tables = profile.tables()
    passed = [score["value_bool"] for score in tables["scores"] if score["value_bool"] is not None]
    rows = exported(profile, query).to_pylist()
    assert sum(row["n"] for row in rows) == len(passed)
    assert sum(row["n"] * float(row["rate"]) for row in rows) == pytest.approx(sum(passed))
    assert {row["percent"] for row in rows} == {"%%"}


def test_postgres_itself_refuses_to_write(profile: Landing, capsys: pytest.CaptureFixture[str]) -> None:
    if profile.warehouse.name != "postgres":
        pytest.skip("only Postgres has transactions that cannot write")
    writing = "SELECT setval('s', 1) FROM (SELECT 1) AS one"
    profile.warehouse.execute("CREATE SEQUENCE IF NOT EXISTS s")
    assert main(["export", writing, "--out", "x.csv", "--destination", "postgres"]) == 1
    assert "read-only transaction" in capsys.readouterr().err
