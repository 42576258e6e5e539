"""The project's own files: licence, changelog, hooks, and a release that installs and runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml

from scripts.keep_schema import FOLDER, kept_schema
from scripts.release import IN_THE_SDIST, check_sdist
from tests.checkout import CHECKOUT
from tests.documentation import README, blocks
from weave_eval.schema import dlt_schema

CHANGELOG = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
SCHEMA_CHANGE = re.compile(r"^\| [\w.]+ \| `(\w+)` \| (?:`(\w+)`|all) \| added \|", re.MULTILINE)


def project() -> dict[str, Any]:
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomlkit.parse(text).unwrap()["project"])


def hooks() -> dict[str, dict[str, Any]]:
    """The hooks of the pre-commit configuration by id."""
    config = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    return {hook["id"]: hook for repository in config["repos"] for hook in repository["hooks"]}


def test_ci_runs_the_readmes_second_command_and_nothing_else() -> None:
    _, second = (block.strip() for block in blocks("sh", README) if block.startswith("python -m pip install uv"))
    lines = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("#", "set ", "cd "))]
    assert kept == [second]


def test_the_licence_is_whole() -> None:
    text = (CHECKOUT / "LICENSE").read_text(encoding="utf-8")
    assert project()["license"] == "Apache-2.0"
    assert "Copyright 2026 The weave_eval authors" in text
    assert "Version 2.0, January 2004" in text
    assert [int(number) for number in re.findall(r"^   (\d+)\. ", text, re.MULTILINE)] == list(range(1, 10))


def test_the_changelog_has_every_release() -> None:
    released = re.findall(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE)
    assert released[0] == "Unreleased"
    assert project()["version"] in released
    assert {path.stem for path in FOLDER.glob("*.json")} <= set(released)


def test_the_changelog_lists_what_was_added_to_the_tables() -> None:
    former, listed = kept_schema("0.1.0"), set(SCHEMA_CHANGE.findall(CHANGELOG))
    present = {(name, column) for name, table in dlt_schema().tables.items() for column in table["columns"]}
    added = {(name, column) for name, column in present if column not in former.tables.get(name, {}).get("columns", {})}
    missing = {(name, column) for name, column in added if not {(name, column), (name, "")} & listed}
    assert added
    assert missing == set()


@pytest.mark.parametrize(("subject", "is_short"), [("x" * 72, True), ("x" * 73, False)])
def test_the_hook_for_subjects_refuses_long_ones(subject: str, is_short: bool) -> None:
    hook = hooks()["subject"]
    assert (hook["language"], hook["stages"], hook["args"]) == ("pygrep", ["commit-msg"], ["--multiline"])
    found = re.search(hook["entry"], f"{subject}\n\n{'why ' * 30}\n", re.MULTILINE | re.DOTALL)
    assert (found is None) is is_short


def test_hooks_run_the_checks_of_the_tests() -> None:
    entries = {hook["entry"] for hook in hooks().values() if hook["language"] == "system"}
    assert entries == {"uv run ruff check .", "uv run ruff format --check .", "uv run mypy"}
    assert all(not hook["pass_filenames"] for hook in hooks().values() if hook["language"] == "system")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["ruff-check", "ruff-format", "mypy"])
def test_a_hook_runs(name: str) -> None:
    command = shlex.split(hooks()[name]["entry"])[2:]  # without `uv run`: the tests run in the environment
    done = subprocess.run([sys.executable, "-m", *command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_release_is_built_installed_and_run(tmp_path: Path) -> None:
    script, out = CHECKOUT / "scripts" / "release.py", tmp_path / "dist"
    done = subprocess.run([sys.executable, script, "--out", out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"weave-eval {project()['version']}" in done.stdout
    assert len(list(out.iterdir())) >= 2


def test_an_sdist_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "weave_eval-0.tar.gz", "w:gz") as archive:
        for name in IN_THE_SDIST - {"LICENSE"}:
            archive.add(CHECKOUT / "pyproject.toml", f"weave_eval-0/{name}")
    with pytest.raises(ValueError, match="lacks LICENSE"):
        check_sdist(tmp_path / "weave_eval-0.tar.gz")
