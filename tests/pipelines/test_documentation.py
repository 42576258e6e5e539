"""The documentation names every environment variable that the code reads, and every key of `destinations.toml`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

from tests.checkout import CHECKOUT
from tests.documentation import PAGES

TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


def variables(path: Path) -> Iterator[str]:
    """Names of variables in the functions that look into the environment."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef) and reads_environment(function):
            texts = (node.value for node in ast.walk(function) if isinstance(node, ast.Constant))
            yield from (text for text in texts if isinstance(text, str) and VARIABLE.fullmatch(text))


def reads_environment(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in ast.walk(function))


VARIABLES = sorted({name for path in (CHECKOUT / "sources").rglob("*.py") for name in variables(path)})


def test_the_search_finds_variables() -> None:
    assert {"WANDB_API_KEY", "WANDB_BASE_URL", "NETRC", "WEAVE_EVAL_DESTINATIONS"} <= set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_every_environment_variable_is_explained(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_every_key_of_a_profile_is_explained() -> None:
    profiles = tomlkit.parse((CHECKOUT / "destinations.toml").read_text(encoding="utf-8")).unwrap()
    keys = {key for profile in profiles.values() for key in profile}
    assert {"type", "dataset", "credentials"} <= keys
    assert [key for key in sorted(keys) if f"| `{key}` |" not in TEXT] == []
