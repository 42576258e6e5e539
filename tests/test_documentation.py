"""The documentation is true: its commands run, its links and names lead somewhere, its generated parts are fresh.

Its SQL runs in `contract/test_questions.py`.
"""

from __future__ import annotations

import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomlkit

from scripts.generate import PARTS, declared_settings, generated, parts_of
from tests.checkout import CHECKOUT
from tests.documentation import DOCS, PAGES, README, blocks
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.cli.program import main
from weave_eval.tables import TABLES, TABLES_BY_NAME
from weave_eval.warehouse.views.model import views

PROJECT = "my-team/my-project"
COMPANIONS = [CHECKOUT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "sources/weave_eval/README.md")]
"""Pages of which only the links are followed."""

SET_UP = ("python -m pip install uv", "uv sync", "dlt init", "export ")
"""Starts of commands that set something up: `test_the_two_commands` and the tests of `dlt init` run those."""

WAREHOUSES = ("postgres", "bigquery", "snowflake")


def commands() -> list[str]:
    """Every command of the pages that loads or looks, without its comment."""
    lines = [line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in dict.fromkeys(lines) if line and not line.startswith(SET_UP)]


def arguments(command: str) -> list[str]:
    """What `weave-eval` is given."""
    return shlex.split(command.partition("weave-eval ")[2])


def warehouse_of(command: str) -> str:
    return next((name for name in WAREHOUSES if f"--destination {name}" in command), "duckdb")


@pytest.fixture
def project(server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WeaveServer:
    """The pages' project on the stand-in, and a folder with the sample of `destinations.toml`."""
    server.bulk(PROJECT, runs=2, rows=3)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    shutil.copy(CHECKOUT / "destinations.toml", tmp_path)
    shutil.copytree(CHECKOUT / "pipelines", tmp_path / "pipelines")
    monkeypatch.chdir(tmp_path)
    return server


def text_of(*pages: Path) -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def test_the_readme_is_short() -> None:
    assert README.stat().st_size <= 12_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_fresh(page: Path) -> None:
    assert generated(text_of(page)) == text_of(page), "run `python scripts/generate.py`"


def test_each_generated_part_is_on_one_page() -> None:
    assert sorted(part for page in PAGES for part in parts_of(text_of(page))) == sorted(PARTS)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *COMPANIONS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        if not path.startswith("https://"):
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_list_of_pages_is_complete() -> None:
    index = text_of(DOCS / "index.md")
    assert [page.name for page in DOCS.glob("*.md") if page.name != "index.md" and f"({page.name})" not in index] == []


@pytest.mark.parametrize("page", [*PAGES, *COMPANIONS], ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    paths = re.findall(r"\b(?:pipelines|scripts|tests|sources|docs)/[\w./-]*\w", text_of(page))
    named = [path for path in paths if not {"NAME", "VERSION"} & set(re.split(r"[/.]", path))]
    assert [path for path in named if not (CHECKOUT / path).exists()] == []


def test_the_architecture_names_modules_and_functions_that_exist() -> None:
    text, package = text_of(DOCS / "architecture.md"), CHECKOUT / "sources" / "weave_eval"
    modules = {path.stem for path in package.iterdir() if not path.name.startswith("__")}
    paths = re.findall(r"`([\w/]+(?:\.py|/\w+))`", text)
    names = [name for name in re.findall(r"[`\[\"]([a-z_]+(?:\.\w+)+)", text) if name.split(".")[0] in modules]
    assert len(paths) > 5
    assert len(names) > 20
    assert [path for path in paths if not (package / path).exists()] == []
    assert [name for name in names if not name.endswith(".py") and not is_importable(f"weave_eval.{name}")] == []


def is_importable(name: str) -> bool:
    """Whether the dotted name leads to a module, or to something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_tables_and_views_that_are_named_exist() -> None:
    named = set(re.findall(r"\b((?:dim|fct)_[a-z_]*[a-z])", text_of(*PAGES)))
    assert len(named) > 20
    assert named - {view.name for view in views()} == set()
    columns = {(table.name, column.name) for table in TABLES for column in table.columns}
    pairs = set(re.findall(r"`([a-z_]+)\.([a-z_]+)`", text_of(*PAGES)))
    assert {pair for pair in pairs if pair[0] in TABLES_BY_NAME} - columns == set()


def test_settings_that_are_named_exist() -> None:
    known = {name for name, _, _ in declared_settings()}
    named = {name.lower() for name in re.findall(r"\bSOURCES__WEAVE_EVAL__(\w+)", text_of(*PAGES))}
    for block in blocks("toml"):
        named |= set(tomlkit.parse(block).unwrap().get("sources", {}).get("weave_eval", {}))
    assert named
    assert named - known == set()


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    return capsys.readouterr().out


def command_names(capsys: pytest.CaptureFixture[str]) -> set[str]:
    return set(re.findall(r"^ {4}([a-z]+)\b", help_of(capsys), re.MULTILINE))


def test_every_command_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    names = command_names(capsys)
    assert {"load", "dictionary"} <= names
    assert names - {arguments(command)[0] for command in commands()} - {"demo"} == set()


def test_options_that_are_named_exist(capsys: pytest.CaptureFixture[str]) -> None:
    texts = [help_of(capsys, name) for name in command_names(capsys)]
    options = {option for text in texts for option in re.findall(r"--[a-z-]+", text)}
    named = set(re.findall(r"`(?:[a-z]+ )?(--[a-z-]+)\b", text_of(*PAGES)))
    assert named
    assert named - options - {"--all"} == set()


def test_every_command_is_known() -> None:
    assert len(commands()) > 8
    assert all("weave-eval " in command for command in commands())


@pytest.mark.usefixtures("project")
def test_commands_for_a_file_run() -> None:
    assert main(["demo"]) == 0  # some of the commands name its runs
    for command in commands():
        if warehouse_of(command) == "duckdb":
            assert main(arguments(command)) == 0, command


@pytest.mark.slow
@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("warehouse", WAREHOUSES, indirect=True)
def test_commands_for_a_warehouse_run(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in warehouse.environment.items():
        monkeypatch.setenv(name, value)
    dataset = warehouse.new_dataset()
    mine = [command for command in commands() if warehouse_of(command) == warehouse.name]
    assert mine
    for command in mine:
        assert main([*arguments(command), "--dataset", dataset]) == 0, command


def test_python_runs(project: WeaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__API_KEY", project.key)
    for block in blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def outside() -> dict[str, str]:
    """The environment without the one that the tests run in."""
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")}
    folders = [folder for folder in kept["PATH"].split(os.pathsep) if not folder.startswith(sys.prefix)]
    return {**kept, "PATH": os.pathsep.join(folders)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_two_commands_set_everything_up(tmp_path: Path) -> None:
    """In a fresh clone: the first command whole, the second with one quick file of tests."""
    clone = tmp_path / "clone"
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in files:
        if (CHECKOUT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, clone / name)
    first, second = (block.strip() for block in blocks("sh", README) if block.startswith("python -m pip"))
    environment = outside()
    for command in (first, second.replace("--all", "tests/weave/test_refs.py")):
        done = subprocess.run(
            command, shell=True, cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / "weave_eval.duckdb").exists()
