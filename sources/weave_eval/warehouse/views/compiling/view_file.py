"""The `.sql` files that declare the views.

A file starts with comments: `Title: sentence.`, `key: column, column`, and `column: description` for each column
whose description is not that of the column of that name in what the view reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "sql"

_LINE = re.compile(r"-- (\w+): (.+)")


@dataclass(frozen=True)
class ViewFile:
    """What a file says of a view: descriptions by column, for those that have a line, and the query in DuckDB's SQL."""

    name: str
    description: str
    key: tuple[str, ...]
    descriptions: Mapping[str, str]
    sql: str


def view_files() -> list[ViewFile]:
    """What the files say, by name."""
    return [_view_file(path) for path in sorted(FOLDER.glob("*.sql"))]


def _view_file(path: Path) -> ViewFile:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    length = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    said = {match[1]: match[2] for match in map(_LINE.fullmatch, lines[1:length]) if match}
    key = tuple(name.strip() for name in said.pop("key").split(","))
    return ViewFile(path.stem, lines[0].removeprefix("-- "), key, said, "\n".join(lines[length:]))
