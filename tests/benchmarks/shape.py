"""How large a synthetic project is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A project of `runs` runs over the same `rows` inputs, one trial each.

    Inputs and outputs hold so many bytes of JSON. The latest `changed` runs are as they are after the edit of that
    number: finished later and answered anew.
    """

    runs: int
    rows: int
    input_bytes: int = 1_000
    output_bytes: int = 1_000
    changed: int = 0
    edit: int = 0

    @property
    def trials(self) -> int:
        return self.runs * self.rows

    def pages(self, page_rows: int = 500) -> int:
        """Pages of results of all runs."""
        return self.runs * -(-self.rows // page_rows)


SIZES = {
    "XS": Shape(runs=3, rows=40),
    "S": Shape(runs=10, rows=500),
    "M": Shape(runs=50, rows=2_000),
    "L": Shape(runs=100, rows=10_000),
}
