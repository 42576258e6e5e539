"""How many rows fit in a page, and how many pages in memory, by what rows weighed so far."""

from __future__ import annotations

from dataclasses import dataclass

from ..weave.pages import Page

_BYTES_AHEAD = 100_000_000
_ASSUMED_FACTOR = 8
_WEIGHT_OF_LAST = 0.2


@dataclass(frozen=True)
class PageSize:
    """Rows asked for at once, and the bytes above which an answer is given up."""

    rows: int = 500
    max_bytes: int = 16_000_000


class RowWeights:
    """Bytes per row, a moving average that jumps up at once; all threads read it, and take pages to fit."""

    def __init__(self, size: PageSize):
        self.max_bytes = size.max_bytes
        self._max_rows = size.rows
        self._bytes_per_row = 0.0

    def add(self, page: Page) -> None:
        """Takes note of what the rows of a page weigh."""
        if page.rows:
            weight = page.body_bytes / len(page.rows)
            average = (1 - _WEIGHT_OF_LAST) * self._bytes_per_row + _WEIGHT_OF_LAST * weight
            self._bytes_per_row = max(weight, average)

    def add_given_up(self, rows: int) -> None:
        """Takes note of an answer that was given up: assumes rows too heavy for as many to be tried again."""
        self._bytes_per_row = max(self._bytes_per_row, _ASSUMED_FACTOR * self.max_bytes / rows)

    def page_rows(self) -> int:
        """Rows that fill half of the largest page."""
        if not self._bytes_per_row:
            return self._max_rows
        return max(1, min(self._max_rows, int(self.max_bytes / 2 / self._bytes_per_row)))

    def pages_in_memory(self, most: int) -> int:
        """Pages that may be on their way or in memory at once: `most`, or fewer where they are heavy."""
        weight = self._bytes_per_row * self.page_rows()
        return min(most, max(1, int(_BYTES_AHEAD / weight))) if weight else most
