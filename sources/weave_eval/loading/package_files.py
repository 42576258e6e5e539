"""Record batches to what dlt loads: few, large files handed over whole, in the format the warehouse reads best.

The warehouse's class says which. Destinations that we do not know get Arrow tables, which dlt writes as they like.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dlt
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ..tables import TABLES_BY_NAME
from ..warehouse.base import Form

# For lack of this hint, dlt turns parquet for Postgres into CSV, which cannot tell empty texts from missing ones.
_HINTS: dict[Form, Any] = {"parquet": dlt.mark.make_hints(file_format="parquet"), "jsonl": None}
_REPEATED = frozenset({"project_id", "run_id", "scorer_name", "path", "value_type", "_dlt_load_id"})
_MAX_ROWS = 100_000
_MAX_BYTES = 16_000_000
_GROUP_BYTES = 4_000_000


class Package(NamedTuple):
    """The package under way: its load id, the tables wanted, the form of their rows, and whether rows replace others.

    Where they do not (destinations that can only append), nothing stands for the rows that go. Files are made in
    `folder`, which a load that was killed leaves to the next one to empty.
    """

    load_id: str
    tables: frozenset[str]
    form: Form
    can_replace: bool
    folder: Path

    def fresh_folder(self) -> Path:
        """A new folder inside `folder`, which loses what loads that were killed have left there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return Path(tempfile.mkdtemp(dir=self.folder))


class TableItem(NamedTuple):
    """Something for dlt to load into a table."""

    table: str
    item: Any


class PackageFiles:
    """Collects record batches by table and turns them into items for dlt when enough have come together.

    `bytes_added` is the size of all batches in memory.
    """

    def __init__(self, form: Form, folder: Path):
        self.bytes_added = 0
        self._form = form
        self._folder = folder
        self._batches: dict[str, list[pa.RecordBatch]] = defaultdict(list)
        self._rows: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._files = 0

    def add(self, table: str, batch: pa.RecordBatch) -> Iterator[TableItem]:
        """Takes a batch; yields an item if the table's batches have become large."""
        self._batches[table].append(batch)
        self._rows[table] += batch.num_rows
        self._bytes[table] += batch.nbytes
        self.bytes_added += batch.nbytes
        if self._rows[table] >= _MAX_ROWS or self._bytes[table] >= _MAX_BYTES:
            yield self._item(table)

    def flush(self) -> Iterator[TableItem]:
        """Yields what is left, one item a table."""
        for table in list(self._batches):
            yield self._item(table)

    def _item(self, table: str) -> TableItem:
        rows = pa.Table.from_batches(self._batches.pop(table))
        self._rows[table] = self._bytes[table] = 0
        if self._form == "arrow":
            return TableItem(table, rows)
        self._files += 1
        path = self._folder / f"{table}.{self._files}.{self._form}"
        if self._form == "parquet":
            write_parquet(rows, path)
        else:
            write_json_lines(table, rows, path)
        return TableItem(table, dlt.mark.with_file_import(str(path), self._form, rows.num_rows, _HINTS[self._form]))


def write_parquet(rows: pa.Table, path: Path) -> None:
    """Writes rows as parquet that is quick to make and to read; nothing looks for rows by its statistics."""
    few = [name for name in rows.schema.names if name in _REPEATED]
    group = max(1, int(rows.num_rows * min(1.0, _GROUP_BYTES / max(1, rows.nbytes))))
    options: dict[str, Any] = {"use_dictionary": few, "write_statistics": False, "row_group_size": group}
    pq.write_table(rows, path, compression="snappy", **options)


def write_json_lines(table: str, rows: pa.Table, path: Path) -> None:
    """Writes rows as JSON lines; JSON columns as the JSON they hold, times as RFC 3339."""
    json_columns = {column.name for column in TABLES_BY_NAME[table].columns if column.type == "json"}
    encoder = msgspec.json.Encoder()
    line = msgspec.defstruct(table, rows.schema.names)
    with path.open("wb") as file:
        for batch in rows.to_batches(max_chunksize=5000):
            columns = [
                _raw_json(column) if name in json_columns else column.to_pylist()
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            file.write(encoder.encode_lines(list(map(line, *columns))))


def _raw_json(column: pa.Array[Any]) -> list[msgspec.Raw | None]:
    texts = column.to_pylist()
    return [None if text is None else msgspec.Raw(text.replace("\n", " ").encode()) for text in texts]
