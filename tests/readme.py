"""What is generated: `python -m tests.readme` writes it, tests fail when it is stale.

That is the views as loads make them, the dictionary, and parts of the README.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from tests.checkout import CHECKOUT
from weave_eval.catalogue.dictionary import dictionary_markdown, tables_diagram, tables_table, types_table, views_table
from weave_eval.warehouse.views.compiling.compiled_views import compiled_text
from weave_eval.warehouse.views.model import COMPILED

README = CHECKOUT / "README.md"
DICTIONARY = CHECKOUT / "sources" / "weave_eval" / "DICTIONARY.md"

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def settings_part() -> str:
    """The settings with their defaults and meaning, read from where they are declared."""
    rows = [f"| `{name}` | {_code([default]) if default else ''} | {text} |" for name, default, text in _settings()]
    return "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *rows])


def _settings() -> Iterator[tuple[str, str, str]]:
    module = ast.parse((CHECKOUT / "sources" / "weave_eval" / "settings.py").read_text(encoding="utf-8"))
    body = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Settings").body
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            default = ast.literal_eval(field.value) if field.value else None
            assert isinstance(text, ast.Expr), f"{field.target.id} has no description"
            yield field.target.id, "" if default is None else str(default), str(ast.literal_eval(text.value))


def _code(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


PARTS = {
    "tables": tables_table,
    "views": views_table,
    "diagram": tables_diagram,
    "types": types_table,
    "settings": settings_part,
}


def generated(text: str) -> str:
    """The README with its generated parts made anew."""
    for name, part in PARTS.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        assert start, f"the README has no place for {name}"
        assert end, f"the place for {name} has no end"
        text = f"{before}{start}\n{part()}\n\n{end}{after}"
    return text


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [body for kind, body in FENCED.findall(README.read_text(encoding="utf-8")) if kind == language]


if __name__ == "__main__":
    COMPILED.write_text(compiled_text(), encoding="utf-8")  # first: the others tell of the views
    DICTIONARY.write_text(dictionary_markdown(), encoding="utf-8")
    README.write_text(generated(README.read_text(encoding="utf-8")), encoding="utf-8")
