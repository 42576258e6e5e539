"""Writes what is generated: `python scripts/generate.py`. Tests fail when one of these files is stale.

That is the views as loads make them (`views.json`), the data dictionary, and the marked parts of the documentation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from weave_eval.catalogue.dictionary import dictionary_markdown, tables_diagram, tables_table, types_table, views_table
from weave_eval.warehouse.views.compiling.compiled_views import compiled_text
from weave_eval.warehouse.views.model import COMPILED

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sources" / "weave_eval"
DICTIONARY = PACKAGE / "DICTIONARY.md"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_PART = re.compile(r"^<!-- (\w+) -->\n.*?^<!-- /\1 -->$", re.MULTILINE | re.DOTALL)


def settings_table() -> str:
    """The settings with their defaults and meaning, read from where they are declared."""
    rows = [
        f"| `{name}` | {f'`{default}`' if default else ''} | {text} |" for name, default, text in declared_settings()
    ]
    return "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *rows])


def declared_settings() -> Iterator[tuple[str, str, str]]:
    """The name, default and meaning of each setting."""
    module = ast.parse((PACKAGE / "settings.py").read_text(encoding="utf-8"))
    body = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Settings").body
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            default = ast.literal_eval(field.value) if field.value else None
            if not isinstance(text, ast.Expr):
                raise TypeError(f"The setting {field.target.id} has no description.")
            yield field.target.id, "" if default is None else str(default), str(ast.literal_eval(text.value))


PARTS: dict[str, Callable[[], str]] = {
    "tables": tables_table,
    "views": views_table,
    "diagram": tables_diagram,
    "types": types_table,
    "settings": settings_table,
}


def parts_of(text: str) -> list[str]:
    """Names of the generated parts that a page has."""
    return [found[1] for found in _PART.finditer(text)]


def generated(text: str) -> str:
    """A page with its generated parts made anew."""
    return _PART.sub(lambda found: f"<!-- {found[1]} -->\n\n{PARTS[found[1]]()}\n\n<!-- /{found[1]} -->", text)


def generate() -> None:
    """Writes all of it."""
    COMPILED.write_text(compiled_text(), encoding="utf-8")  # first: the dictionary and the pages describe the views
    DICTIONARY.write_text(dictionary_markdown(), encoding="utf-8")
    for page in PAGES:
        page.write_text(generated(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    generate()
