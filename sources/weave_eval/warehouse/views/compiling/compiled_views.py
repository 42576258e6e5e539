"""The views as `views.json` has them: in order, with their columns, and in each warehouse's own words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from importlib.metadata import version

import duckdb
import msgspec

from ....tables import TABLES, TABLES_BY_NAME, ColumnType
from ...duckdb import DuckDB
from ...registry import warehouses
from ..dialect import Dialect
from ..model import MARK, CompiledViews, View, ViewColumn, placeholder
from .dialects import relations, translated
from .view_file import ViewFile, view_files

_TYPES = {name: kind for kind, name in DuckDB.column_types.items()}
_QUOTED_PLACEHOLDER = re.compile(r'["`](\{\{\w+\}\})["`]')


def compiled_text() -> str:
    """What `views.json` has to hold."""
    views = compiled_views()
    made = msgspec.json.encode(CompiledViews(fingerprint_of(views), version("sqlglot"), views))
    return msgspec.json.format(made, indent=1).decode() + "\n"


def fingerprint_of(views: tuple[View, ...]) -> str:
    """A hash of all that is said of the views: 16 hex digits."""
    return hashlib.blake2b(msgspec.json.encode(views), digest_size=8).hexdigest()


def compiled_views() -> tuple[View, ...]:
    """All views, each after those that it reads."""
    files = {file.name: file for file in view_files()}
    read = {name: relations(file.sql) for name, file in files.items()}
    order = list(TopologicalSorter({name: _views_among(names, files) for name, names in read.items()}).static_order())
    types = _column_types([files[name] for name in order])
    made: dict[str, View] = {}
    for name in order:
        made[name] = _view(files[name], types[name], _descriptions(read[name], made))
    return tuple(made.values())


def _views_among(names: list[str], files: Mapping[str, ViewFile]) -> list[str]:
    unknown = [name for name in names if name not in files and name not in TABLES_BY_NAME]
    if unknown:
        raise ValueError(f"A view reads {', '.join(unknown)}, which is neither a table nor a view.")
    return sorted(name for name in names if name in files)


def _view(file: ViewFile, types: Mapping[str, ColumnType], inherited: Mapping[str, str]) -> View:
    said = {**inherited, **file.descriptions}
    columns = tuple(ViewColumn(name, kind, said.get(name, "")) for name, kind in types.items())
    return View(file.name, file.description, file.key, columns, compiled_queries(file.sql))


def compiled_queries(sql: str) -> dict[str, str]:
    """A query by dialect, with placeholders for full names and, where views carry it in their query, the mark."""
    dialects = [warehouse.dialect for warehouse in warehouses() if warehouse.dialect]
    return {dialect.name: _compiled_query(sql, dialect) for dialect in dialects}


def _compiled_query(sql: str, dialect: Dialect) -> str:
    mark = placeholder(MARK) if dialect.carries_mark else ""
    made = translated(sql, dialect, lambda name: (placeholder(name),), mark)
    return _QUOTED_PLACEHOLDER.sub(r"\1", made)


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
    with duckdb.connect() as database:
        for statement in _empty_tables():
            database.execute(statement)
        for file in files:
            database.execute(f"CREATE VIEW {file.name} AS {translated(file.sql, DuckDB.dialect, lambda name: (name,))}")
        return {file.name: dict(_described(database.execute(f"DESCRIBE {file.name}").fetchall())) for file in files}


def _empty_tables() -> Iterator[str]:
    for table in TABLES:
        columns = ", ".join(f'"{column.name}" {DuckDB.column_types[column.type]}' for column in table.columns)
        yield f"CREATE TABLE {table.name} ({columns})"


def _described(rows: list[tuple[str, ...]]) -> Iterator[tuple[str, ColumnType]]:
    for name, kind, *_ in rows:
        yield name, _TYPES[kind]
