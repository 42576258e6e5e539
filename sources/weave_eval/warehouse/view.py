"""The views, declared in the `.sql` files beside this module: what they are, and the columns that they have.

A file starts with comments: `Title: sentence.`, `key: column, column`, and `column: description` for each column
whose description is not that of the column of that name in what the view reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

from ..tables import TABLES, TABLES_BY_NAME, ColumnType
from .column_types import WAREHOUSE_TYPES

FOLDER = Path(__file__).with_name("views")

_LINE = re.compile(r"-- (\w+): (.+)")
_DUCKDB_TYPES = WAREHOUSE_TYPES["duckdb"]
_TYPES = {name: kind for kind, name in _DUCKDB_TYPES.items()}


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view: its name, its type in dlt's words, and its meaning."""

    name: str
    type: ColumnType
    description: str


@dataclass(frozen=True)
class View:
    """A view: `sql` is its query in DuckDB's SQL, on tables and views without their dataset."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[ViewColumn, ...]
    sql: str

    def column(self, name: str) -> ViewColumn:
        """The column of that name. Raises `KeyError` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class ViewFile:
    """What a file says of a view: descriptions by column, for those that have a line, and the query."""

    name: str
    description: str
    key: tuple[str, ...]
    descriptions: Mapping[str, str]
    sql: str


@lru_cache(maxsize=1)
def views() -> tuple[View, ...]:
    """All views, each after those that it reads. Takes a moment when first called: DuckDB tells the columns."""
    from .dialects import relations  # noqa: PLC0415 - sqlglot and DuckDB are slow to import

    files = {file.name: file for file in view_files()}
    read = {name: relations(file.sql) for name, file in files.items()}
    order = list(TopologicalSorter({name: _views_among(names, files) for name, names in read.items()}).static_order())
    types = _column_types([files[name] for name in order])
    made: dict[str, View] = {}
    for name in order:
        made[name] = _view(files[name], types[name], _descriptions(read[name], made))
    return tuple(made.values())


def view_files() -> list[ViewFile]:
    """What the files say, by name."""
    return [_view_file(path) for path in sorted(FOLDER.glob("*.sql"))]


def view_names() -> list[str]:
    """Names of all views, in the order of the alphabet; reads no file."""
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def _views_among(names: list[str], files: Mapping[str, ViewFile]) -> list[str]:
    unknown = [name for name in names if name not in files and name not in TABLES_BY_NAME]
    if unknown:
        raise ValueError(f"A view reads {', '.join(unknown)}, which is neither a table nor a view.")
    return sorted(name for name in names if name in files)


def _view_file(path: Path) -> ViewFile:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    length = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    said = {match[1]: match[2] for match in map(_LINE.fullmatch, lines[1:length]) if match}
    key = tuple(name.strip() for name in said.pop("key").split(","))
    return ViewFile(path.stem, lines[0].removeprefix("-- "), key, said, "\n".join(lines[length:]))


def _view(file: ViewFile, types: Mapping[str, ColumnType], inherited: Mapping[str, str]) -> View:
    said = {**inherited, **file.descriptions}
    columns = tuple(ViewColumn(name, kind, said.get(name, "")) for name, kind in types.items())
    return View(file.name, file.description, file.key, columns, file.sql)


def _descriptions(read: list[str], made: Mapping[str, View]) -> dict[str, str]:
    """Descriptions by column: of the first table or view read that has it, else of the first table of all."""
    found: dict[str, str] = {}
    sources = [made[name] if name in made else TABLES_BY_NAME[name] for name in read]
    for source in (*sources, *TABLES):
        for column in source.columns:
            found.setdefault(column.name, column.description)
    return found


def _column_types(files: list[ViewFile]) -> dict[str, dict[str, ColumnType]]:
    """Types of the columns of each view by name, as DuckDB finds them on empty tables."""
    import duckdb  # noqa: PLC0415 - slow to import

    from .dialects import in_words_of  # noqa: PLC0415

    with duckdb.connect() as database:
        for statement in _empty_tables():
            database.execute(statement)
        for file in files:
            database.execute(f"CREATE VIEW {file.name} AS {in_words_of('duckdb', file.sql, lambda name: (name,))}")
        return {file.name: dict(_described(database.execute(f"DESCRIBE {file.name}").fetchall())) for file in files}


def _empty_tables() -> Iterator[str]:
    for table in TABLES:
        columns = ", ".join(f'"{column.name}" {_DUCKDB_TYPES[column.type]}' for column in table.columns)
        yield f"CREATE TABLE {table.name} ({columns})"


def _described(rows: list[tuple[str, ...]]) -> Iterator[tuple[str, ColumnType]]:
    for name, kind, *_ in rows:
        yield name, _TYPES[kind]
