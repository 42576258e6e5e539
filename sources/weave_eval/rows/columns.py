"""Rows of a table by column: for each column, by its name, the values of all rows.

Columns that are the same in a whole batch (`project_id`, ...) are left out; they are added with the Arrow columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from ..tables import TABLES_BY_NAME

TableRow = dict[str, Any]
"""One row: its values by column, without the columns that are the same in a whole batch."""


@dataclass
class Columns:
    """Rows of one table: for each column that varies, a list of values.

    Raises `ValueError` for columns that are not the table's, or not all of one length.
    """

    table: str
    values: dict[str, list[Any]]

    def __post_init__(self) -> None:
        """Checks the columns."""
        _check(self.table, self.values.keys())
        lengths = {name: len(values) for name, values in self.values.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The columns of {self.table} are not all of one length: {lengths}.")

    @classmethod
    def of(cls, table: str, rows: Sequence[TableRow]) -> Columns:
        """The rows. Raises `ValueError` unless each has the table's columns."""
        for row in rows:
            _check(table, row.keys())
        return cls(table, {name: [row[name] for row in rows] for name in TABLES_BY_NAME[table].varying})

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def __getitem__(self, column: str) -> list[Any]:
        return self.values[column]

    def rows(self) -> Iterator[TableRow]:
        """The rows one by one."""
        for values in zip(*self.values.values(), strict=True):
            yield dict(zip(self.values, values, strict=True))

    def extend(self, more: Columns) -> None:
        """Adds the rows of `more`, which are of the same table."""
        for name, values in self.values.items():
            values.extend(more[name])


def _check(table: str, names: AbstractSet[str]) -> None:
    declared = set(TABLES_BY_NAME[table].varying)
    if names == declared:
        return
    missing, unknown = sorted(declared - names), sorted(names - declared)
    raise ValueError(f"Rows of {table} lack the columns {missing} and have the unknown columns {unknown}.")
