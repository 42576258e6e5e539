"""The code itself: its checks pass, functions are short and documented, the core stands on its own."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "sources" / "weave_eval"
MODULES = sorted(PACKAGE.rglob("*.py"))
CORE = (
    "changes", "flatten", "pages", "privacy", "reconcile", "refs", "runs", "sanitize", "tables",
    *(f"evaluating/{path.stem}" for path in sorted((PACKAGE / "evaluating").glob("*.py"))),
)  # fmt: skip
"""Modules that only compute."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)])
def test_checkers_find_nothing(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=CHECKOUT, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, Function]]:
    """Every function of the package with the place where it stands."""
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, Function):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node


def lines_of(function: Function) -> int:
    """The lines of the body, without the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_functions_are_short() -> None:
    lengths = {place: (node.end_lineno or 0) - node.lineno + 1 for place, node in functions()}
    assert {place: length for place, length in lengths.items() if length > 50} == {}
    assert statistics.median(lines_of(node) for _, node in functions()) < 10


def public_parts(path: Path) -> Iterator[tuple[str, ast.Module | ast.ClassDef | Function]]:
    """The module, its public classes and functions, and their public methods."""
    module = parsed(path)
    name = str(path.relative_to(PACKAGE))
    yield name, module
    for node in module.body:
        if isinstance(node, (ast.ClassDef, Function)) and not node.name.startswith("_"):
            yield f"{name}:{node.name}", node
            members = node.body if isinstance(node, ast.ClassDef) else []
            for member in members:
                if isinstance(member, Function) and not member.name.startswith("_"):
                    yield f"{name}:{node.name}.{member.name}", member


def test_whatever_is_public_is_documented() -> None:
    assert [name for path in MODULES for name, node in public_parts(path) if not ast.get_docstring(node)] == []


def imported(path: Path) -> set[str]:
    """Modules that a module imports: `.name` for those of the package, top-level names for others."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(f".{node.module}" if node.level else str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("name", CORE)
def test_the_core_knows_neither_the_network_nor_dlt(name: str) -> None:
    assert imported(PACKAGE / f"{name}.py") & {"dlt", "requests", "sqlalchemy", "duckdb", ".client"} == set()


def test_every_module_is_imported_by_another_or_is_an_entry() -> None:
    used = {name.rsplit(".", 1)[-1] for path in MODULES for name in imported(path) if name.startswith(".")}
    used |= {alias for path in MODULES for alias in names_imported_from_packages(path)}
    commands = {path.stem for path in (PACKAGE / "commands").glob("*.py")}  # `cli` imports them by name
    destinations = {path.stem for path in MODULES if path.stem.endswith("_destination")}  # dlt does
    entries = {"__init__", "__main__", "cli", *commands, *destinations}
    assert {path.stem for path in MODULES} - used - entries == set()


def names_imported_from_packages(path: Path) -> Iterator[str]:
    """Modules imported as names, as in `from . import check`."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from (alias.name for alias in node.names)


def test_the_lock_file_names_public_hosts_alone() -> None:
    text = (CHECKOUT / "uv.lock").read_text(encoding="utf-8")
    hosts = set(re.findall(r"https?://([^/\"]+)", text))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
    assert "file://" not in text


def test_requirements_for_dlt_init_are_those_of_the_package() -> None:
    project = tomlkit.parse((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    lines = (PACKAGE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == project["dependencies"]


def test_versions_of_python_agree() -> None:
    project = tomlkit.parse((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    named = [text.rsplit(" ", 1)[-1] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)]
    first, last = named[0], named[-1]
    after = f"3.{int(last.split('.')[1]) + 1}"
    assert project["requires-python"] == f">={first},<{after}"
