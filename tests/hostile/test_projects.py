"""Hostile texts as the names of entities and projects: loaded under that name, or refused in a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.evidence import Record
from tests.hostile.conftest import OBEYED, Said, fresh, run
from tests.hostile.strings import CATEGORIES, TEXTS, stored
from tests.loads import days_ago
from tests.report.parsed_page import Page
from tests.weave_server.process import WeaveServer

LONGEST = 128
"""W&B takes no longer name of a project, and none with one of `/\\#?%:` in it."""


@pytest.fixture(autouse=True)
def _place(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh(server)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__RETRY_BUDGET_SECONDS", "0")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)


def is_answer(said: Said) -> bool:
    """Whether a command ended well or with a sentence; a traceback would have come out of it as an error."""
    lines = said.err.splitlines()
    is_told = said.code == 0 or bool(lines and all(line.startswith(("error: ", "warning: ")) for line in lines))
    return is_told and said.code in (0, 1, 2) and not OBEYED.search(said.out + said.err) and "defect" not in said.err


@pytest.mark.parametrize("pattern", ["acme/{}", "{}/support"])
def test_any_name_is_taken_or_refused_in_a_sentence(pattern: str, record: Record) -> None:
    wrong = {}
    for text in TEXTS:
        said = run("load", "--dry-run", f"--project={pattern.format(text)}")
        if not is_answer(said):
            wrong[text[:40]] = (said.code, said.err[-300:])
    assert wrong == {}
    record("hostile names of projects asked for", pattern.format("..."), len(TEXTS))


def names() -> list[str]:
    """A name for every third category of texts, made of those that W&B lets stand in a project's name."""
    joined = (
        " ".join(text for text in texts if not set(text) & set("/\\#?%:")) for texts in list(CATEGORIES.values())[::3]
    )
    return sorted({stored(text[:LONGEST]).strip() for text in joined} - {""})


def test_projects_of_such_names_are_loaded(server: WeaveServer, tmp_path: Path, record: Record) -> None:
    projects = [f"{name}/{name}" for name in names()]
    for project in projects:
        server.bulk(project, rows=1, scorers=1, start=days_ago(1))
    before = set(tmp_path.parent.iterdir())
    said = run("load", *(part for project in projects for part in ("--project", project)))
    assert said.code == 0, said.err
    assert not OBEYED.search(said.err)
    statuses = [json.loads(line) for line in run("status", "--json").out.splitlines()]
    assert {one["project"]: one["runs"] for one in statuses} == {project: {"completed": 1} for project in projects}
    assert sum(one["unreconciled_runs"] for one in statuses) == 0
    assert all(path.name.startswith("weave_eval.duckdb") for path in tmp_path.iterdir())
    assert set(tmp_path.parent.iterdir()) == before
    record("hostile names of projects loaded", "duckdb", len(projects))
    addresses = [link for link in links() if not link.startswith("#")]
    assert addresses
    assert all(re.fullmatch(r"[\x21-\x7e]+", link) and link.startswith(server.url) for link in addresses)


def links() -> list[str]:
    assert run("report", "--out", "report.html").code == 0
    page = Page(Path("report.html").read_text(encoding="utf-8"))
    return [element.attributes["href"] for element in page.all("a")]
