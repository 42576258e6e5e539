"""The data dictionary: every table, view and column with its type, meaning, origin and key, as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from ..tables import Column, ColumnType
from ..warehouse.registry import warehouses
from .relations import Reference, Relation, references, relations

_INTRODUCTION = """# Data dictionary

Made by `weave-eval dictionary`. Names are a contract: tables, views and columns are added, never renamed. The origin of
a column names the field of Weave's API that it is read from, or says how it is made."""


def dictionary_markdown() -> str:
    """The whole dictionary as a page of Markdown."""
    tables, views = _tables(), _views()
    parts = [
        _INTRODUCTION,
        "## Types\n\n" + types_table(),
        "## Tables\n\n" + tables_table() + "\n\n" + tables_diagram(),
        "## Views\n\n" + views_table() + "\n\n" + _diagram(views),
        *map(_section, tables),
        *map(_section, views),
    ]
    return "\n\n".join(parts) + "\n"


def dictionary_json() -> dict[str, Any]:
    """The whole dictionary for machines: tables and views with their columns, by what they are."""
    return {"tables": [_as_dict(one) for one in _tables()], "views": [_as_dict(one) for one in _views()]}


def tables_table() -> str:
    """The tables with their keys and meaning, in Markdown."""
    return _table(("table", "key", "what it holds"), ((_code(t.name), _code(*t.key), t.row) for t in _tables()))


def views_table() -> str:
    """The views and what a row of each is, in Markdown."""
    rows = ((_code(view.name), view.row.removeprefix("one row for ")) for view in _views())
    return _table(("view", "one row for"), rows)


def types_table() -> str:
    """The type that each kind of column has in each warehouse, in Markdown."""
    known = warehouses()
    rows = ((kind, *(warehouse.column_types[kind] for warehouse in known)) for kind in get_args(ColumnType))
    return _table(("column", *(warehouse.title for warehouse in known)), rows)


def tables_diagram() -> str:
    """The tables with the columns that join them, as a Mermaid diagram in Markdown."""
    return _diagram(_tables())


def _tables() -> list[Relation]:
    return [relation for relation in relations() if not relation.is_view]


def _views() -> list[Relation]:
    return [relation for relation in relations() if relation.is_view]


def _references_of(relation: Relation) -> list[Reference]:
    return [reference for reference in references() if reference.relation == relation.name]


def _diagram(shown: Sequence[Relation]) -> str:
    lines = [line for relation in shown for line in _entity(relation, shown)]
    lines += [_line(relation, reference) for relation in shown for reference in _references_of(relation)]
    return "\n".join(["```mermaid", "erDiagram", *(f"  {line}" for line in lines), "```"])


def _entity(relation: Relation, shown: Sequence[Relation]) -> Iterator[str]:
    """The key, the columns that name other rows, and those by which rows are named."""
    ours = {name for reference in _references_of(relation) for name in reference.columns}
    named = {n for one in shown for r in _references_of(one) if r.to == relation.name for n in r.to_columns}
    yield f"{relation.name} {{"
    for column in relation.columns:
        if column.name in {*relation.key, *ours, *named}:
            marks = [mark for mark, names in (("PK", relation.key), ("FK", ours)) if column.name in names]
            yield f"  {column.type} {column.name} {', '.join(marks)}".rstrip()
    yield "}"


def _line(relation: Relation, reference: Reference) -> str:
    one = "||" if reference.is_certain else "|o"
    many = "o|" if relation.key == reference.columns else "o{"
    return f'{reference.to} {one}--{many} {reference.relation} : "{", ".join(reference.columns)}"'


def _section(relation: Relation) -> str:
    kind = "view" if relation.is_view else "table"
    joins = [f"{_code(*r.columns)} joins {_code(*(f'{r.to}.{name}' for name in r.to_columns))}" for r in
             _references_of(relation)]  # fmt: skip
    lines = [f"### {relation.name}", "", f"{relation.description} Key of the {kind}: {_code(*relation.key)}."]
    lines += [f"{'; '.join(joins)}."] if joins else []
    return "\n".join([*lines, "", _columns_table(relation)])


def _columns_table(relation: Relation) -> str:
    def cells(column: Column) -> Iterator[str]:
        yield _code(column.name)
        yield f"{column.type}, key" if column.name in relation.key else column.type
        yield column.description
        if not relation.is_view:
            yield column.origin

    header = ("column", "type", "meaning") if relation.is_view else ("column", "type", "meaning", "origin")
    return _table(header, map(cells, relation.columns))


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(header)
    lines = [names, ["---"] * len(names), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _as_dict(relation: Relation) -> dict[str, Any]:
    return {
        "name": relation.name,
        "description": relation.description,
        "key": list(relation.key),
        "columns": [_column_as_dict(relation, column) for column in relation.columns],
        "references": [
            {"columns": list(r.columns), "to": r.to, "to_columns": list(r.to_columns)} for r in _references_of(relation)
        ],
    }


def _column_as_dict(relation: Relation, column: Column) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "types": {warehouse.type: warehouse.column_types[column.type] for warehouse in warehouses()},
        "description": column.description,
        "is_key": column.name in relation.key,
    }
    return said if relation.is_view else {**said, "origin": column.origin, "nullable": column.nullable}
