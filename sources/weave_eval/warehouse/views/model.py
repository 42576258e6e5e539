"""The views: what they are, the columns that they have, and their queries.

They are declared in the `.sql` files beside this module. What loads need of them is in `views.json`, which
`compiling` makes, so that no load has to parse SQL or to try it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from ...tables import ColumnType

COMPILED = Path(__file__).with_name("views.json")

MARK = "mark"
"""The placeholder in queries for what tells a view that was made here; all others are names of tables and views."""

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view: its name, its type in dlt's words, and its meaning."""

    name: str
    type: ColumnType
    description: str


@dataclass(frozen=True)
class View:
    """A view, with its query by dialect, in which placeholders stand for the names of tables and views."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[ViewColumn, ...]
    queries: dict[str, str]

    def column(self, name: str) -> ViewColumn:
        """The column of that name. Raises `KeyError` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def query(self, dialect: str, full_name: Callable[[str], str], mark: str = "") -> str:
        """The query in a dialect; `full_name` gives the names of tables and views in quotes."""
        return _PLACEHOLDER.sub(lambda match: mark if match[1] == MARK else full_name(match[1]), self.queries[dialect])


@dataclass(frozen=True)
class CompiledViews:
    """All views, each after those that it reads, and a hash of all that is said of them here.

    `sqlglot` is the version that wrote the queries: another one may find other words for the same.
    """

    fingerprint: str
    sqlglot: str
    views: tuple[View, ...]


def placeholder(name: str) -> str:
    """What stands in a query for something that is known only where the view is made."""
    return f"{{{{{name}}}}}"


def views() -> tuple[View, ...]:
    """All views, each after those that it reads."""
    return _compiled().views


def fingerprint() -> str:
    """A hash of all views, in all warehouses: 16 hex digits."""
    return _compiled().fingerprint


def view_names() -> list[str]:
    """Names of all views, in the order of the alphabet."""
    return sorted(view.name for view in views())


@lru_cache(maxsize=1)
def _compiled() -> CompiledViews:
    return msgspec.json.decode(COMPILED.read_bytes(), type=CompiledViews)
