"""`weave-eval dictionary`: complete, and the same in Markdown, JSON and the copies that are kept."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scripts.generate import DICTIONARY
from tests.processes import WEAVE_EVAL
from weave_eval.catalogue.dictionary import dictionary_markdown, tables_diagram
from weave_eval.catalogue.relations import references, relations
from weave_eval.cli.program import main
from weave_eval.tables import TABLES, TABLES_BY_NAME
from weave_eval.warehouse.registry import warehouses
from weave_eval.warehouse.views.model import views


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["dictionary", *arguments]) == 0
    return capsys.readouterr().out


@pytest.fixture
def as_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(printed(capsys, "--format", "json"))


def test_the_page_is_fresh() -> None:
    assert DICTIONARY.read_text(encoding="utf-8") == dictionary_markdown(), "run `python scripts/generate.py`"


def test_a_file_holds_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dictionary", "--out", str(tmp_path / "new" / "page.md")]) == 0
    assert (tmp_path / "new" / "page.md").read_text(encoding="utf-8") == printed(capsys)
    (tmp_path / "file").touch()
    assert main(["dictionary", "--out", str(tmp_path / "file" / "page.md")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_json_has_every_column_with_all_that_is_declared(as_json: Any) -> None:
    found = {
        (table["name"], c["name"], c["type"], c["description"], c["origin"], c["nullable"], c["is_key"])
        for table in as_json["tables"]
        for c in table["columns"]
    }
    assert found == {
        (t.name, c.name, c.type, c.description, c.origin, c.nullable, c.name in t.key)
        for t in TABLES
        for c in t.columns
    }
    seen = {
        (view["name"], c["name"], c["type"], c["description"]) for view in as_json["views"] for c in view["columns"]
    }
    assert seen == {(view.name, c.name, c.type, c.description) for view in views() for c in view.columns}


def test_everything_is_described(as_json: Any) -> None:
    for one in [*as_json["tables"], *as_json["views"]]:
        assert one["key"]
        assert one["description"]
        assert [column["name"] for column in one["columns"] if not column["description"]] == [], one["name"]


def test_columns_are_those_of_the_warehouse(as_json: Any, demo_file: Path) -> None:
    with duckdb.connect(str(demo_file), read_only=True) as connection:
        for one in [*as_json["tables"], *as_json["views"]]:
            stored = {row[0]: row[1] for row in connection.execute(f"DESCRIBE weave.{one['name']}").fetchall()}
            assert {c["name"]: c["types"]["duckdb"] for c in one["columns"]} == stored


def test_references_lead_to_keys_of_columns_that_exist(as_json: Any) -> None:
    columns = {one["name"]: {c["name"] for c in one["columns"]} for part in as_json.values() for one in part}
    met = 0
    for one in [*as_json["tables"], *as_json["views"]]:
        for reference in one["references"]:
            met += 1
            assert set(reference["columns"]) <= columns[one["name"]]
            assert set(reference["to_columns"]) <= columns[reference["to"]]
    assert met > 50


def test_markdown_tables_are_whole() -> None:
    page = dictionary_markdown()
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", line)) - 1 for line in lines]
    assert set(cells) == {2, 3, 4, 1 + len(warehouses())}
    for table in TABLES:
        for column in table.columns:
            assert f"| `{column.name}` |" in page


def test_the_diagram_shows_keys_and_what_joins_them() -> None:
    lines = [line.strip() for line in tables_diagram().splitlines()]
    entities = [line.removesuffix(" {") for line in lines if re.fullmatch(r"\w+ \{", line)]
    assert entities == list(TABLES_BY_NAME)
    joins = [match.groups() for match in (re.fullmatch(r'(\w+) (\S+) (\w+) : "(.+)"', line) for line in lines) if match]
    assert ("trials", "||--o{", "scores", "trial_id") in joins
    assert ("evaluation_runs", "||--o|", "reconciliations", "run_id") in joins
    assert ("evaluations", "|o--o{", "evaluation_runs", "evaluation_ref") in joins
    assert {name for one, _, other, _ in joins for name in (one, other)} <= set(entities)
    assert "text trial_id PK, FK" in lines


def test_certain_references_hold_in_the_demo(demo_file: Path) -> None:
    known = {relation.name for relation in relations()}
    with duckdb.connect(str(demo_file), read_only=True) as connection:
        for reference in references():
            assert {reference.relation, reference.to} <= known
            if not reference.is_certain or reference.relation not in (*TABLES_BY_NAME, "fct_scores", "fct_trials"):
                continue
            on = " AND ".join(f"a.{x} = b.{y}" for x, y in zip(reference.columns, reference.to_columns, strict=True))
            given = " AND ".join(f"a.{x} IS NOT NULL" for x in reference.columns)
            joined = f"weave.{reference.relation} a ANTI JOIN weave.{reference.to} b ON {on}"
            sql = f"SELECT count(*) FROM {joined} WHERE {given}"
            assert connection.execute(sql).fetchone() == (0,), reference


def test_a_reader_that_stops_early_sees_no_traceback() -> None:
    """As in `weave-eval dictionary | head`."""
    command = [*WEAVE_EVAL, "dictionary"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.read(1)
        writer.stdout.close()
        complaints = writer.stderr.read()
    assert (writer.returncode, complaints) == (141, "")
