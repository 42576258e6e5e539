"""What a warehouse's catalogue says about the views: which are there, and what they were made from.

Each view carries a mark, in its query or (in BigQuery) its labels: the dataset that it shows, and a hash of what it was
made from. So one query tells whether anything is to be made, and which views were made here: no other is ever
replaced or dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from .model import view_names

_MARK = re.compile(r"weave_eval (\w+) ([0-9a-f]{16})")


class Mark(NamedTuple):
    """What a view carries: the dataset that it shows, and a hash of what it was made from."""

    dataset: str
    fingerprint: str

    def __str__(self) -> str:
        return f"weave_eval {self.dataset} {self.fingerprint}"


@dataclass
class Catalogue:
    """The tables of a dataset, and all views of the dataset that holds the views, with the mark if they have one.

    `is_shared` says that the views have a dataset of their own, which may hold those of other datasets too.
    """

    wanted: Mark
    is_shared: bool
    tables: set[str] = field(default_factory=set)
    marks: dict[str, Mark | None] = field(default_factory=dict)

    def add(self, name: str, definition: str | None) -> None:
        """Takes a view with its definition, or a table, which has none; by its name as the warehouse stores it."""
        if definition is None:
            self.tables.add(name.lower())
        else:
            match = _MARK.search(definition)
            self.marks[name.lower()] = Mark(match[1], match[2]) if match else None

    @property
    def is_up_to_date(self) -> bool:
        """Whether every view is as it would be made now."""
        return not self.former and all(self.marks.get(name) == self.wanted for name in view_names())

    @property
    def ours(self) -> list[str]:
        """Views that show this dataset and were made here; beside the tables, also those of before it was renamed."""
        marks = [(name, mark) for name, mark in self.marks.items() if mark]
        return [name for name, mark in marks if mark.dataset == self.wanted.dataset or not self.is_shared]

    @property
    def former(self) -> list[str]:
        """Those of them that are no longer declared."""
        return sorted(set(self.ours) - set(view_names()))

    @property
    def foreign(self) -> list[str]:
        """Views that were not made here, or show another dataset, and have the name of one of ours."""
        return sorted((set(self.marks) - set(self.ours)) & set(view_names()))
