"""Every hostile text in every place of a project: what lands in each warehouse, and what the commands make of it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import lkml
import openpyxl
import pyarrow.parquet as pq
import pytest
import tomlkit
import yaml

from tests.contract.place import EPOCH_FOR_NULL
from tests.evidence import Record
from tests.hostile.conftest import OBEYED, Loaded
from tests.hostile.places import found, promised
from tests.hostile.project import AFTER, BEFORE, PROJECT, run_id_of, scorer_of
from tests.hostile.strings import CATEGORIES, SOME, in_calls, stored, stored_name
from tests.report.parsed_page import Page
from tests.report.test_hostile import ATTRIBUTES, TAGS
from weave_eval.rows.flatten import leaves
from weave_eval.warehouse.views.model import views

pytestmark = pytest.mark.slow

ONE_LINE = re.compile(r"(warning|error): .+|[a-z_]+=.*")
CELL = 32_767
MANY = {
    "dim_evaluations", "dim_input_fields", "dim_inputs", "dim_models", "fct_comparisons", "fct_coverage",
    "fct_dataset_drift", "fct_freshness", "fct_input_history", "fct_leaderboard",
    "fct_missing_scores", "fct_row_changes", "fct_row_scores", "fct_run_performance", "fct_score_distribution",
    "fct_scores", "fct_trials", "fct_worst_rows",
}  # fmt: skip
"""Views that have rows of the project."""

TAKEN_APART = {"dim_input_fields", "fct_slices"}
UNANSWERED = {"bigquery": TAKEN_APART, "snowflake": TAKEN_APART}
"""Views that take inputs apart, which the functions of these stand-ins cannot do where keys are odd."""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def all_stored() -> set[str]:
    return {stored(text) for text in in_calls()}


def metrics() -> list[str]:
    """The texts that metrics of the two runs over all texts are named after."""
    return [text for text in in_calls() if text in SOME]


def label(text: str) -> str:
    """A metric of the text as scorer."""
    return f"{stored_name(scorer_of(text))}.is_right"


def test_texts_land_as_they_were(loaded: Loaded, record: Record) -> None:
    assert loaded.said.code == 0, loaded.said.err
    places = found(loaded.tables)
    expected = {text: promised(text) for text in in_calls()}
    wrong = [
        (text[:40], place, places[text][place], value)
        for text, values in expected.items()
        for place, value in values.items()
        if places[text][place] != value
    ]
    assert wrong == []
    for category, texts in CATEGORIES.items():
        count = sum(value is not None for text in texts if text in places for value in places[text].values())
        record("hostile texts found in a warehouse as they were promised", category, count, column=loaded.warehouse)


def test_changes_are_told(loaded: Loaded) -> None:
    """A warning names each run with a text that no warehouse holds, and no other run."""
    changed = {f"run {run_id_of(text)}" for text in in_calls() if stored(text) != text}
    (sync,) = loaded.tables["syncs"]
    told = {warning.split(":")[0] for warning in sync["warnings"] if "texts with NUL or lone surrogates" in warning}
    assert told == changed | {f"run {BEFORE}", f"run {AFTER}", "objects", "feedback"}
    assert all(re.search(r": \d+ texts with .* were changed \(to U\+FFFD\)", w) for w in sync["warnings"] if "NUL" in w)


def test_nothing_is_lost(loaded: Loaded) -> None:
    count, tables = len(in_calls()), loaded.tables
    own = sum(
        len(set(dict(leaves({stored_name(scorer_of(text)): 0, "is_right": 0, "length": 0})))) for text in in_calls()
    )
    rows = {
        "evaluation_runs": count + 2,
        "trials": 3 * count,
        "result_rows": 3 * count,
        "scores": own + 4 * count + 4 * len(metrics()),
    }
    assert {name: len(tables[name]) for name in rows} == rows
    proofs = tables["reconciliations"]
    assert len(proofs) == count + 2
    assert [proof for proof in proofs if not proof["is_reconciled"]] == []
    assert {proof["run_id"] for proof in proofs if not proof["stats_checked"]} == set()
    if EPOCH_FOR_NULL not in loaded.landing.warehouse.differences:  # there every run would be a deleted one
        verified = loaded.run("verify", "--project", PROJECT, "--dry-run")
        assert (verified.code, "runs_listed" in verified.err) == (0, True), verified.err


def test_views_answer(loaded: Loaded, record: Record) -> None:
    unanswered = UNANSWERED.get(loaded.warehouse, set())
    answers = {view.name: loaded.landing.view_rows(view) for view in views() if view.name not in unanswered}
    assert {row["run_name"] for row in answers["dim_runs"]} >= all_stored() - {""}
    models = {promised(text)["model"] for text in in_calls()}
    assert {row["model_name"] for row in answers["fct_run_scores"]} >= models
    assert {row["metric"] for row in answers["fct_scores"]} >= {label(text) for text in in_calls()}
    assert {name for name, rows in answers.items() if rows} >= MANY - unanswered
    record("views with hostile texts answered", loaded.warehouse, len(answers))


def test_terminal_shows_texts_and_obeys_none(loaded: Loaded) -> None:
    compared = loaded.run("compare", BEFORE, AFTER, "--rows", "3")
    status = loaded.run("status")
    assert (compared.code, status.code) == (0, 0), compared.err
    for said in (loaded.said, compared, status):
        assert OBEYED.findall(said.out + said.err) == []
    assert [line for line in loaded.said.err.splitlines() if not ONE_LINE.fullmatch(line)] == []
    assert r"[/] [red]x[/red] \u001b[31m \u202e <b> | `c` [a](b) \u000a# {{ 7*7 }} ${TABLE} ' " in compared.out
    assert "<script>alert(1)</script>.is_right" in compared.out
    assert r"\u001b[31mred\u001b[0m.is_right" in compared.out


def test_json_is_json(loaded: Loaded) -> None:
    compared = loaded.run("compare", BEFORE, AFTER, "--json")
    (line,) = compared.out.splitlines()
    assert not OBEYED.search(line)
    answer = json.loads(line)
    assert {metric["metric"] for metric in answer["metrics"]} >= {label(text) for text in metrics()}
    (status,) = loaded.run("status", "--json").out.splitlines()
    assert json.loads(status)["runs"] == {"completed": len(in_calls()) + 2}


def test_gate_tells_every_system(loaded: Loaded) -> None:
    names = sorted({label(text) for text in metrics()})
    rules = [{"name": name, "measure": "pass_rate", "metric": name, "min": 0.5} for name in names]
    Path("rules.toml").write_text(tomlkit.dumps({"rules": rules}), encoding="utf-8", newline="")
    options = ("--rules", "rules.toml", "--junit", "junit.xml", "--markdown", "gate.md")
    said = loaded.run("gate", "--run", AFTER, "--baseline", BEFORE, *options)
    assert said.code == 1, said.err
    assert not OBEYED.search(said.out + said.err)
    cases = ET.parse("junit.xml").getroot().findall("testsuite/testcase")
    assert [case.get("name", "").endswith(".is_right: min") for case in cases] == [True] * len(names)
    lines = Path("gate.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {7}
    assert len(table) == len(names) + 2
    assert re.findall(r"[<>`]|(?<!\\)\]\((?!https?://)", "\n".join(lines)) == []
    assert loaded.run("export", "SELECT rules FROM gate_decisions", "--out", "rules.parquet").code == 0
    (recorded,) = pq.read_table("rules.parquet")["rules"].to_pylist()
    assert json.loads(str(recorded)) == {"rules": rules}


def test_report_shows_texts_as_text(loaded: Loaded) -> None:
    said = loaded.run("report", "--out", "report.html")
    assert said.code == 0, said.err
    html = Path("report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert {element.tag for element in page.elements} <= TAGS
    assert {name for element in page.elements for name in element.attributes} <= ATTRIBUTES
    assert page.comments == []
    links = {element.attributes["href"] for element in page.all("a")}
    assert [link for link in links if not link.startswith(("#", loaded.landing.server.url))] == []
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    assert "<script>alert(1)</script>" in page.text
    assert "49" not in {element.text for element in page.elements}


def test_models_for_others_parse(loaded: Loaded) -> None:
    assert loaded.run("looker", "--connection", "warehouse", "--out", "looker").code == 0
    for path in Path("looker").rglob("*.lkml"):
        assert lkml.load(path.read_text(encoding="utf-8"))
    assert loaded.run("dbt", "--out", "models").code == 0
    assert yaml.safe_load(Path("models/sources.yml").read_text(encoding="utf-8"))["sources"]


def test_exports_come_back(loaded: Loaded) -> None:
    for name in ("scores.parquet", "scores.csv", "scores.xlsx"):
        said = loaded.run("export", "SELECT score_id, scorer_name, path, value_text FROM scores", "--out", name)
        assert said.code == 0, said.err
    rows = {row["score_id"]: row for row in loaded.tables["scores"]}
    expected = {key: [row[name] for name in ("scorer_name", "path", "value_text")] for key, row in rows.items()}
    table = pq.read_table("scores.parquet").to_pydict()
    assert dict(zip(table["score_id"], map(list, zip(*list(table.values())[1:], strict=True)), strict=True)) == expected
    with Path("scores.csv").open(encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file)
    assert {key: values for key, *values in lines} == {key: [v or "" for v in row] for key, row in expected.items()}
    _, *cells = openpyxl.load_workbook("scores.xlsx", read_only=True).worksheets[0].iter_rows(values_only=True)
    assert {key: [from_excel(v) for v in row] for key, *row in cells} == {
        key: [in_excel(v) for v in row] for key, row in expected.items()
    }


def from_excel(value: Any) -> str:
    """A cell's text; characters that XML cannot hold stand in it by their numbers."""
    return re.sub("_x([0-9A-F]{4})_", lambda number: chr(int(number[1], 16)), str(value or ""))


def in_excel(text: str | None) -> str:
    """The text as far as a cell holds it."""
    units = (text or "").encode("utf-16-le")
    return text or "" if len(units) <= 2 * CELL else units[: 2 * CELL - 2].decode("utf-16-le", "ignore") + "…"
