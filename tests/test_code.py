"""The code itself: functions are short and documented, the core stands on its own."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

from tests.checkout import CHECKOUT

PACKAGE = CHECKOUT / "sources" / "weave_eval"
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE = ("judging", "proof", "rows", "state", "tables", "times", "weave")
"""Packages and modules that only compute."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


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


def module_of(path: Path) -> str:
    """The dotted name of a module inside the package; a package is named like its folder."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def reached_by(path: Path) -> set[str]:
    """Names of what a module imports: `weave_eval.` and a module's name for those of the package, whole names else."""
    names = {module_of(each) for each in MODULES}
    parts = list(path.relative_to(PACKAGE).parent.parts)
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module))
        elif isinstance(node, ast.ImportFrom):
            base = [*parts[: len(parts) - node.level + 1], *(node.module.split(".") if node.module else [])]
            asked = {".".join([*base, alias.name]) for alias in node.names}
            found |= {f"weave_eval.{name}" for name in (asked & names) or {".".join(base)}}
    return found


def everything_below(start: Path) -> dict[str, list[str]]:
    """All that a module imports, directly or through others of the package, each with the way that leads there."""
    paths = {f"weave_eval.{module_of(path)}": path for path in MODULES}
    ways = {f"weave_eval.{module_of(start)}": [module_of(start)]}
    todo = list(ways)
    while todo:
        name = todo.pop()
        for reached in reached_by(paths[name]) if name in paths else ():
            if reached not in ways:
                ways[reached] = [*ways[name], reached.removeprefix("weave_eval.")]
                todo.append(reached)
    return ways


@pytest.mark.parametrize("name", PURE)
def test_what_only_computes_reaches_neither_the_network_nor_a_warehouse(name: str) -> None:
    """Not even through what it imports."""
    place = PACKAGE / name
    impure = {"dlt", "requests", "sqlalchemy", "duckdb"}
    for path in sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
        ways = everything_below(path)
        assert {reached: way for reached, way in ways.items() if reached.split(".")[0] in impure} == {}


def test_modules_import_no_circle() -> None:
    """Not even one that is hidden in late imports."""
    graph = {f"weave_eval.{module_of(path)}": reached_by(path) for path in MODULES if path.name != "__init__.py"}
    while leaves := {name for name, reached in graph.items() if not reached & graph.keys() - {name}}:
        graph = {name: reached for name, reached in graph.items() if name not in leaves}
    assert graph == {}


def room_of(name: str) -> str:
    """The package or module at the top of `weave_eval` that a module stands in."""
    return name.removeprefix("weave_eval.").split(".")[0]


def floors() -> dict[str, int]:
    """How many rooms lie one below the other under each room of the package. Raises `ValueError` for a circle."""
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        if module_of(path):  # the package itself only hands on names
            room = room_of(module_of(path))
            below = {room_of(name) for name in reached_by(path) if name.startswith("weave_eval.")}
            graph.setdefault(room, set()).update(below - {room})
    found: dict[str, int] = {}
    while len(found) < len(graph):
        ready = {room: below for room, below in graph.items() if room not in found and below <= found.keys()}
        if not ready:
            raise ValueError(f"a circle among {sorted(graph.keys() - found)}")
        found |= {room: max((found[one] for one in below), default=0) + 1 for room, below in ready.items()}
    return found


def test_imports_run_downwards_through_few_rooms_and_floors() -> None:
    """The source in `weave_eval_pipeline.py` and the package's `__init__` stand above all of them."""
    found = floors()
    assert len(found) + 2 <= 30
    assert max(found.values()) + 2 <= 12


def test_every_module_is_imported_by_another_or_is_an_entry() -> None:
    used = {name.removeprefix("weave_eval.") for path in MODULES for name in reached_by(path)}
    modules = {module_of(path) for path in MODULES if not path.name.startswith("__")}
    entries = {
        "cli.program",
        "warehouse.views.compiling.compiled_views",  # scripts/generate.py does
        *(name for name in modules if name.endswith("_destination")),  # dlt does
    }
    assert modules - used - entries == set()


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
