"""What a proof asks of a warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class RowsHeld(Protocol):
    """Answers questions in SQL about the rows that a warehouse holds."""

    def rows_of(self, query: str, keys: Sequence[str], *values: Any) -> Iterator[Sequence[Any]]:
        """The answers for all keys: in `query`, `{keys}` stands for them, `{trials}` for a table, `%s` for a value."""
