"""Rows about loads themselves: reconciliations and syncs, written by dlt in a package of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dlt
from dlt.extract.source import DltSource

from .flatten import Tuples
from .package_files import TableItem
from .pipelines import run_pipeline
from .privacy import Privacy
from .run_writer import RunWriter
from .schema import CONTRACT, dlt_schema
from .source import current_package, table_resource
from .tables import TABLES_BY_NAME

WRITTEN = ("reconciliations", "scorer_stats", "syncs")


@dataclass(frozen=True)
class Record:
    """Rows of a table, in the order of `VARYING`; of one run, where the table has a run's rows."""

    table: str
    rows: Tuples
    run_id: str = ""


def write_records(
    pipeline: dlt.Pipeline, project: str, found: Sequence[Record], removed: Sequence[str], heartbeat: datetime | None
) -> None:
    """Loads the records, and removes the proofs of runs that were `removed`.

    `heartbeat` is remembered as the last time that all was well; None makes the next load leave a record too.
    """
    with tempfile.TemporaryDirectory(prefix="weave_eval_") as folder:
        source = _source(project, found, removed, heartbeat, Path(folder), is_indexed=_is_postgres(pipeline))
        run_pipeline(pipeline, source)


def _source(
    project: str,
    found: Sequence[Record],
    removed: Sequence[str],
    heartbeat: datetime | None,
    folder: Path,
    *,
    is_indexed: bool,
) -> DltSource:
    @dlt.resource(name="records", selected=False)
    def records() -> Iterator[TableItem]:
        writer = RunWriter(project, current_package(WRITTEN), folder, Privacy(()))
        for record in found:
            yield from writer.add(record.table, record.rows, record.run_id)
        for run_id in removed:
            yield from writer.clear(run_id, ("reconciliations",))
        yield from writer.flush()
        heartbeats = dlt.current.source_state().setdefault("heartbeats", {})
        heartbeats[project] = heartbeat.isoformat() if heartbeat else None

    resources = [table_resource(TABLES_BY_NAME[name], records, is_indexed=is_indexed) for name in WRITTEN]
    source = DltSource.from_data(dlt_schema(), "weave_eval", resources)
    source.schema_contract = CONTRACT
    source.max_table_nesting = 0
    return source


def _is_postgres(pipeline: dlt.Pipeline) -> bool:
    return pipeline.destination is not None and pipeline.destination.destination_type.endswith("postgres")


def saved_state(pipeline: dlt.Pipeline) -> Mapping[str, Mapping[str, str]]:
    """The source's part of the pipeline's state."""
    state: Mapping[str, Mapping[str, str]] = pipeline.state.get("sources", {}).get("weave_eval", {})
    return state
