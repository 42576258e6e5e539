"""An Excel workbook that is written row by row, within the limits that Excel has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from .query_result import QueryResult

_SHEET_ROWS = 1_048_576
_CELL_CHARACTERS = 32_767
_FIRST_DAY = date(1900, 1, 1)
_MOST_EXACT = 2**53
_WIDTHS = {"timestamp": 20, "string": 28}
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write_excel(answer: QueryResult, path: Path) -> list[str]:
    """One sheet, and more of them where rows do not fit; times are UTC, for Excel knows no time zones."""
    with xlsxwriter.Workbook(str(path), _OPTIONS) as workbook:
        writing = _Writing(workbook, answer.schema)
        for batch in answer.batches:
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                writing.add(values)
    return list(writing.warnings())


class _Writing:
    """A workbook under way: its sheet, the next row, and what was cut by column."""

    def __init__(self, workbook: xlsxwriter.Workbook, schema: pa.Schema):
        self._workbook = workbook
        self._schema = schema
        self._names = schema.names
        self._header = workbook.add_format({"bold": True})
        self._time = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        self._day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        self._cut: Counter[str] = Counter()
        self._sheets = 0
        self._new_sheet()

    def _new_sheet(self) -> None:
        self._sheets += 1
        self._sheet: Worksheet = self._workbook.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._row = 1
        for number, field in enumerate(self._schema):
            self._sheet.set_column(number, number, _WIDTHS.get(str(field.type).partition("[")[0], 12))
            self._sheet.write_string(0, number, field.name, self._header)

    def add(self, values: tuple[Any, ...]) -> None:
        """Writes a row, in a new sheet if this one is full."""
        if self._row == _SHEET_ROWS:
            self._new_sheet()
        for number, value in enumerate(values):
            if value is not None:
                self._write(number, value)
        self._row += 1

    def _write(self, number: int, value: Any) -> None:
        if isinstance(value, bool):
            self._sheet.write_boolean(self._row, number, value)
        elif isinstance(value, (int, float, Decimal)) and -_MOST_EXACT <= value <= _MOST_EXACT:
            self._sheet.write_number(self._row, number, float(value))
        elif isinstance(value, date) and _day(value) >= _FIRST_DAY:
            self._write_time(number, value)
        else:
            self._write_text(number, str(value))

    def _write_time(self, number: int, value: date) -> None:
        if isinstance(value, datetime):
            self._sheet.write_datetime(self._row, number, value.replace(tzinfo=None), self._time)
        else:
            self._sheet.write_datetime(self._row, number, value, self._day)

    def _write_text(self, number: int, text: str) -> None:
        shown = _cut_text(text) if len(text) > _CELL_CHARACTERS // 2 else text
        self._cut[self._names[number]] += int(shown != text)
        self._sheet.write_string(self._row, number, shown)

    def warnings(self) -> Iterator[str]:
        """What Excel's limits made of the rows."""
        if self._sheets > 1:
            yield f"A sheet of Excel holds {_SHEET_ROWS:,} rows; the rest are on {self._sheets - 1} more."
        for name, count in (+self._cut).items():
            yield f"{count} cells of {name} were longer than Excel's {_CELL_CHARACTERS:,} characters and were cut."


def _cut_text(text: str) -> str:
    """The text as far as a cell holds it; Excel counts characters beyond the first 65,536 as two."""
    units = text.encode("utf-16-le")
    if len(units) <= 2 * _CELL_CHARACTERS:
        return text
    return units[: 2 * (_CELL_CHARACTERS - 1)].decode("utf-16-le", errors="ignore") + "…"


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value
