"""Rows about loads and decisions, written by dlt in packages of their own: reconciliations, syncs, gate decisions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from uuid import uuid4

import dlt
from dlt.extract.source import DltSource

from ..rows.columns import TableRow
from ..rows.privacy import Privacy
from ..schema import SCOPE
from ..state.unproven import forget
from ..tables import TABLES_BY_NAME, tables_from
from ..warehouse.completing import complete_tables
from ..warehouse.failures import destination_errors
from ..warehouse.profiles import Profile
from ..warehouse.registry import warehouse_behind
from ..weave.sanitize import to_json
from .outcome import Report
from .package_files import TableItem
from .pipelines import forget_old_states, project_slug, run_pipeline
from .resources import current_package, source_of, table_resource
from .saved_state import SavedState
from .writer import RunWriter

if TYPE_CHECKING:
    from ..judging.gate import Decision  # takes numpy, which loads do without

OF_LOADS = tables_from("load", "stats")
"""What a load records of itself, and the stats that it computes where Weave cannot."""

MAX_WARNINGS = 200
"""Warnings that are kept of an execution; the rest is counted."""


@dataclass(frozen=True)
class Record:
    """Rows of a table; of one run, where the table is read with a run."""

    table: str
    rows: Sequence[TableRow]
    run_id: str = ""


def _source(
    project: str,
    records: Sequence[Record],
    tables: Sequence[str],
    *,
    removed: Collection[str] = (),
    is_appended: bool = False,
    scope: str = SCOPE,
    save: Callable[[SavedState], None] | None = None,
) -> DltSource:
    """A source that writes records to some of `tables`, and removes the proofs of runs that were `removed`.

    Rows that are appended go straight to their table, without a staging table. `scope` as in
    `write_disposition`; `save` changes the saved state.
    """

    @dlt.resource(name="records", selected=False)
    def items() -> Iterator[TableItem]:
        package = current_package(tables)
        if is_appended and package.form == "parquet":  # Postgres takes it as `jsonb` only from a staging table
            package = package._replace(form="arrow")
        writer = RunWriter(project, package, package.fresh_folder(), Privacy(()))
        for each in records:
            yield from writer.add(each.table, each.rows, each.run_id)
        for run_id in removed:
            yield from writer.clear(run_id, ("reconciliations",))
        yield from writer.flush()
        if save:
            save(dlt.current.source_state())

    resources = [table_resource(TABLES_BY_NAME[name], items, scope) for name in tables]
    for resource in resources if is_appended else ():
        resource.apply_hints(write_disposition="append")
    return source_of(resources)


@dataclass(frozen=True)
class LoadRecords:
    """What a load leaves about itself: records, among them those of the runs `proven`, and the runs it `removed`.

    `heartbeat` is remembered as the last time that all was well, `completed` as what the tables are complete with; None
    makes the next load leave a record too.
    """

    project: str
    records: Sequence[Record]
    proven: Collection[str] = ()
    removed: Collection[str] = ()
    heartbeat: datetime | None = None
    completed: str | None = None


def write_records(pipeline: dlt.Pipeline, written: LoadRecords) -> None:
    """Loads the records, removes the proofs of removed runs, and saves what is proven."""

    def save(saved: SavedState) -> None:
        forget(saved, written.project, [*written.proven, *written.removed])
        heartbeat = written.heartbeat.isoformat() if written.heartbeat else None
        saved.setdefault("heartbeats", {})[written.project] = heartbeat
        saved.setdefault("completed", {})[written.project] = written.completed

    scope = warehouse_behind(pipeline.destination.destination_type).merge_scope
    source = _source(written.project, written.records, OF_LOADS, removed=written.removed, scope=scope, save=save)
    info = run_pipeline(pipeline, source)
    if info:
        forget_old_states(pipeline, info.loads_ids[-1])


@dataclass
class SyncRecord:
    """An execution: when it began, what it was, and how it ended. `seconds` counts by step."""

    started_at: datetime
    command: str
    destination: str
    seconds: dict[str, float] = field(default_factory=dict)
    sync_id: str = field(default_factory=lambda: uuid4().hex)

    def ended(
        self, status: str, finished_at: datetime, report: Report, traffic: dict[str, int], error: str | None = None
    ) -> TableRow:
        """Its row in `syncs`."""
        return {
            "sync_id": self.sync_id,
            "started_at": self.started_at,
            "finished_at": finished_at,
            "status": status,
            "command": self.command,
            "destination": self.destination,
            **traffic,
            "runs_listed": report.runs_listed,
            "runs_read": report.runs_read,
            "runs_unchanged": report.runs_unchanged,
            "runs_open": report.runs_open,
            "runs_deleted": report.runs_deleted,
            "rows": to_json(dict(report.rows)),
            "seconds": to_json({step: round(seconds, 3) for step, seconds in self.seconds.items()}),
            "warnings": to_json(_shortened(report.warnings)),
            "error": error,
            "connector_version": connector_version(),
            "dlt_version": dlt.__version__,
        }


def connector_version() -> str | None:
    """Version of the installed package; None in a copy that `dlt init` made."""
    try:
        return version("weave-eval")
    except PackageNotFoundError:
        return None


def _shortened(warnings: list[str]) -> list[str]:
    if len(warnings) <= MAX_WARNINGS:
        return warnings
    return [*warnings[:MAX_WARNINGS], f"and {len(warnings) - MAX_WARNINGS} more"]


def record_decision(profile: Profile, decision: Decision, decided_at: datetime, read_from: str) -> str:
    """Adds a row to `gate_decisions`; returns its `decision_id`. Raises `SettingsError` or `DestinationError`.

    The row is appended without a staging dataset, and the pipeline has a name and folder of its own: it can be written
    beside a load of the same project, and by several gates at once.
    """
    decision_id = uuid4().hex
    written = _decision_record(decision_id, decision, decided_at, read_from)
    project = decision.run.project_id
    with tempfile.TemporaryDirectory(prefix="weave_eval_gate_") as folder, destination_errors(profile):
        pipeline = dlt.pipeline(
            pipeline_name=f"weave_eval_gate_{project_slug(project)}",
            destination=profile.destination(),
            dataset_name=profile.dataset,
            pipelines_dir=folder,
        )
        run_pipeline(pipeline, _source(project, [written], [written.table], is_appended=True))
        complete_tables(pipeline, profile)
    return decision_id


def _decision_record(decision_id: str, decision: Decision, decided_at: datetime, read_from: str) -> Record:
    fields = decision.as_dict()
    row = {
        "decision_id": decision_id,
        "run_id": fields["run_id"],
        "baseline_run_id": fields["baseline_run_id"],
        "decision": fields["decision"],
        "reason": fields["reason"],
        "decided_at": decided_at,
        "rules": to_json(decision.rules.document),
        "rules_digest": fields["rules_digest"],
        "results": to_json(fields["checks"]),
        "notes": to_json(fields["notes"]),
        "read_from": read_from,
        "connector_version": connector_version(),
    }
    return Record("gate_decisions", [row])
