"""Files that a query's answer is written to: CSV, Parquet and Excel, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .query_result import QueryResult

_GROUP_BYTES = 16_000_000
_GROUP_ROWS = 100_000
_FORMULA = r"^[=+\-@\t\r\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
"""Starts of a cell that a spreadsheet takes for a formula (OWASP, "CSV Injection")."""

Write = Callable[[QueryResult, Path], list[str]]
"""Writes an answer to a file; gives what was noticed and dealt with, as sentences."""


def write_csv(answer: QueryResult, path: Path) -> list[str]:
    """UTF-8; null is empty and empty text is "", times are UTC."""
    with path.open("wb") as file:
        _write_csv(answer, file)
    return []


def write_spreadsheet_csv(answer: QueryResult, path: Path) -> list[str]:
    """CSV for a spreadsheet: with a byte order mark, and an apostrophe before text that would be a formula."""
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        safe = pa.schema([field.with_name(_guarded(pa.array([field.name]))[0].as_py()) for field in answer.schema])
        _write_csv(QueryResult(safe, (_safe_batch(batch, safe) for batch in answer.batches)), file)
    return []


def _write_csv(answer: QueryResult, file: BinaryIO) -> None:
    with pa_csv.CSVWriter(file, answer.schema) as writer:
        for batch in answer.batches:
            writer.write_batch(batch)


def _safe_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [_guarded(column) if pa.types.is_string(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _guarded(texts: Any) -> Any:
    return pc.if_else(pc.match_substring_regex(texts, _FORMULA), pc.binary_join_element_wise("'", texts, ""), texts)


def write_parquet(answer: QueryResult, path: Path) -> list[str]:
    """Typed columns, compressed with zstd, in row groups of a size that readers like."""
    with pq.ParquetWriter(path, answer.schema, compression="zstd") as writer:
        for group in _groups(answer):
            writer.write_table(group)
    return []


def _groups(answer: QueryResult) -> Iterator[pa.Table]:
    batches: list[pa.RecordBatch] = []
    for batch in answer.batches:
        batches.append(batch)
        if sum(b.nbytes for b in batches) >= _GROUP_BYTES or sum(b.num_rows for b in batches) >= _GROUP_ROWS:
            yield pa.Table.from_batches(batches, answer.schema)
            batches = []
    if batches:
        yield pa.Table.from_batches(batches, answer.schema)
