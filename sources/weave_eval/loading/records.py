"""Rows about loads themselves: reconciliations and syncs, written by dlt in a package of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import dlt
from dlt.extract.source import DltSource

from ..rows.flatten import Tuples
from ..rows.privacy import Privacy
from ..state.unproven import forget
from ..tables import TABLES_BY_NAME, tables_from
from ..warehouse.registry import warehouse_behind
from .package_files import TableItem
from .pipelines import run_pipeline
from .resources import current_package, source_of, table_resource
from .writer import RunWriter

WRITTEN = tables_from("load", "stats")
"""What a load records of itself, and the stats that it computes where Weave cannot."""


@dataclass(frozen=True)
class Record:
    """Rows of a table, in the order of `VARYING`; of one run, where the table has a run's rows."""

    table: str
    rows: Tuples
    run_id: str = ""


def write_records(
    pipeline: dlt.Pipeline,
    project: str,
    found: Sequence[Record],
    heartbeat: datetime | None,
    *,
    proven: Collection[str] = (),
    removed: Sequence[str] = (),
) -> None:
    """Loads the records, among them those of the runs `proven`, and removes the proofs of runs that were `removed`.

    `heartbeat` is remembered as the last time that all was well; None makes the next load leave a record too.
    """
    contents = _Contents(project, found, heartbeat, proven, removed)
    run_pipeline(pipeline, _source(contents, warehouse_behind(pipeline.destination.destination_type).merge_scope))


@dataclass(frozen=True)
class _Contents:
    project: str
    found: Sequence[Record]
    heartbeat: datetime | None
    proven: Collection[str]
    removed: Sequence[str]


def _source(contents: _Contents, scope: str) -> DltSource:
    @dlt.resource(name="records", selected=False)
    def records() -> Iterator[TableItem]:
        package = current_package(WRITTEN)
        writer = RunWriter(contents.project, package, package.fresh_folder(), Privacy(()))
        for record in contents.found:
            yield from writer.add(record.table, record.rows, record.run_id)
        for run_id in contents.removed:
            yield from writer.clear(run_id, ("reconciliations",))
        yield from writer.flush()
        saved = dlt.current.source_state()
        forget(saved, contents.project, [*contents.proven, *contents.removed])
        heartbeats = saved.setdefault("heartbeats", {})
        heartbeats[contents.project] = contents.heartbeat.isoformat() if contents.heartbeat else None

    resources = [table_resource(TABLES_BY_NAME[name], records, scope) for name in WRITTEN]
    return source_of(resources)
