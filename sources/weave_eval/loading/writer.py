"""Rows to items for dlt: made private, turned into record batches, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..reading.run_collector import RunRead
from ..rows.arrow import record_batch
from ..rows.columns import Columns, TableRow
from ..rows.flatten import RunBatch, RunReading, flatten_run, flatten_stats, tombstone
from ..rows.privacy import Privacy
from ..tables import READ_WITH_RUN, REPLACED_BY_RUN
from .package_files import Package, PackageFiles, TableItem


class RunWriter:
    """Turns rows into items for the wanted tables; `rows` counts them by table, `run_ids` are of runs with any."""

    def __init__(self, project_id: str, package: Package, folder: Path, privacy: Privacy):
        self.project_id = project_id
        self.load_id = package.load_id
        self.tables = package.tables
        self.rows: Counter[str] = Counter()
        self.run_ids: set[str] = set()
        self._can_replace = package.can_replace
        self._files = PackageFiles(package.form, folder)
        self._privacy = privacy

    @property
    def bytes_written(self) -> int:
        """Size of what was handed over, as Arrow has it in memory."""
        return self._files.bytes_added

    def write(self, run_id: str, batch: RunBatch) -> Iterator[TableItem]:
        """Rows of a run."""
        self.run_ids.add(run_id)
        for columns in batch.tables():
            yield from self._add(self._privacy.apply(columns), run_id)

    def close(self, read: RunRead, reading: RunReading) -> Iterator[TableItem]:
        """The run's own row and stats, and a tombstone for every table that is read with it."""
        run = read.planned.run
        stats = flatten_stats(run.run_id, read.summary) if read.summary else []
        yield from self.add("evaluation_runs", [flatten_run(self.project_id, run, reading)], run.run_id)
        yield from self.add("scorer_stats", stats, run.run_id)
        yield from self.clear(run.run_id, READ_WITH_RUN)

    def remove(self, run_id: str) -> Iterator[TableItem]:
        """Removes a run with everything that belongs to it."""
        yield from self.clear(run_id, REPLACED_BY_RUN)

    def clear(self, run_id: str, tables: Iterable[str]) -> Iterator[TableItem]:
        """Removes what `tables` held of a run before this load."""
        for table in self.tables.intersection(tables) if self._can_replace else ():
            columns = Columns.of(table, [tombstone(table, run_id)])
            yield from self._files.add(table, record_batch(columns, self._constants(run_id)))

    def add(self, table: str, rows: Sequence[TableRow], run_id: str = "") -> Iterator[TableItem]:
        """Rows of any table."""
        yield from self._add(self._privacy.apply(Columns.of(table, rows)), run_id)

    def add_private(self, table: str, rows: Sequence[TableRow]) -> Iterator[TableItem]:
        """Rows to which the privacy rules were applied already: hashed again, they would change."""
        yield from self._add(Columns.of(table, rows), "")

    def _add(self, columns: Columns, run_id: str) -> Iterator[TableItem]:
        table = columns.table
        if len(columns) and table in self.tables:
            self.rows[table] += len(columns)
            yield from self._files.add(table, record_batch(columns, self._constants(run_id)))

    def flush(self) -> Iterator[TableItem]:
        """What has not been handed over yet."""
        yield from self._files.flush()

    def _constants(self, run_id: str) -> dict[str, str]:
        return {"project_id": self.project_id, "_dlt_load_id": self.load_id, "run_id": run_id}
