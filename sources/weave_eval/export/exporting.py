"""Exports: a table, a view or the answer to a SELECT, written to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import SettingsError
from ..files import whole_file
from ..tables import TABLES_BY_NAME
from ..warehouse.engine import reading
from ..warehouse.profiles import Profile
from ..warehouse.views.model import view_names
from .export_file import write_csv, write_parquet, write_spreadsheet_csv
from .query_result import QueryResult, query_result
from .select_statement import select_statement

Write = Callable[[QueryResult, Path], list[str]]

FORMATS = (".csv", ".parquet", ".xlsx")
"""Endings of the files that can be written."""


@dataclass(frozen=True)
class Exported:
    """A written file: its rows and columns, and what was noticed and dealt with."""

    path: Path
    rows: int
    columns: int
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The fields for machines."""
        return {"file": str(self.path), "rows": self.rows, "columns": self.columns, "warnings": self.warnings}


def export(asked: str, destination: Profile, path: Path, *, is_for_spreadsheet: bool = False) -> Exported:
    """Writes what is asked for (the name of a table or view, or a SELECT) to `path`; its ending says in which format.

    `is_for_spreadsheet` makes CSV safe to open in a spreadsheet. The file is there whole or not at all. Raises
    `SettingsError` or `DestinationError`.
    """
    write = _writer(path, is_for_spreadsheet=is_for_spreadsheet)
    sql = _statement(asked, destination)
    with reading(destination) as connection, whole_file(path) as part:
        answer = query_result(connection, sql, destination.warehouse)
        counted = _Counted(answer)
        warnings = write(QueryResult(answer.schema, counted.batches()), part)
    return Exported(path, counted.rows, len(answer.schema), warnings)


class _Counted:
    """An answer's batches, counting the rows that went by."""

    def __init__(self, answer: QueryResult):
        self._answer = answer
        self.rows = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._answer.batches:
            self.rows += batch.num_rows
            yield batch


def _statement(asked: str, destination: Profile) -> str:
    views = view_names()

    def dataset_of(name: str) -> str:
        return destination.dataset_of_views if name.lower() in views else destination.dataset

    name = asked.strip()
    if not name.isidentifier():
        return select_statement(asked, destination.warehouse, dataset_of)
    if name not in (*TABLES_BY_NAME, *views):
        known = ", ".join((*TABLES_BY_NAME, *views))
        raise SettingsError(f"There is no table or view {name!r}. There are: {known}.")
    return f"SELECT * FROM {destination.warehouse.qualified_name(dataset_of(name), name)}"


def _writer(path: Path, *, is_for_spreadsheet: bool) -> Write:
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise SettingsError(f"{path} has no file extension that names a format; use one of {', '.join(FORMATS)}.")
    if ending == ".xlsx":
        if find_spec("xlsxwriter") is None:
            raise SettingsError('Excel files need xlsxwriter. Install it with: pip install "weave-eval[excel]"')
        from .excel_file import write_excel  # noqa: PLC0415 - an extra

        return write_excel
    if ending == ".parquet":
        return write_parquet
    return write_spreadsheet_csv if is_for_spreadsheet else write_csv
