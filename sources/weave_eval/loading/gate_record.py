"""The row that a gate leaves in `gate_decisions`, beside whatever is being loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import dlt
from dlt.extract.source import DltSource

from ..judging.gate import Decision
from ..rows.flatten import VARYING, Tuples
from ..rows.privacy import Privacy
from ..tables import TABLES_BY_NAME
from ..warehouse.completing import complete_tables
from ..warehouse.failures import destination_errors
from ..warehouse.profiles import Profile
from ..weave.sanitize import to_json
from .package_files import TableItem
from .pipelines import project_slug, run_pipeline
from .resources import current_package, source_of, table_resource
from .sync_record import connector_version
from .writer import RunWriter

TABLE = "gate_decisions"


def record_decision(profile: Profile, decision: Decision, decided_at: datetime, read_from: str) -> str:
    """Adds a row to `gate_decisions`; returns its `decision_id`. Raises `SettingsError` or `DestinationError`.

    The row is appended without a staging dataset, and the pipeline has a name and folder of its own: it can be written
    beside a load of the same project, and by several gates at once.
    """
    decision_id = uuid4().hex
    row = _row(decision_id, decision, decided_at, read_from)
    project = decision.run.project_id
    with tempfile.TemporaryDirectory(prefix="weave_eval_gate_") as folder, destination_errors(profile):
        pipeline = dlt.pipeline(
            pipeline_name=f"weave_eval_gate_{project_slug(project)}",
            destination=profile.destination(),
            dataset_name=profile.dataset,
            pipelines_dir=str(Path(folder) / "pipelines"),
        )
        run_pipeline(pipeline, _source(project, [row], Path(folder)))
        complete_tables(pipeline, profile)
    return decision_id


def _row(decision_id: str, decision: Decision, decided_at: datetime, read_from: str) -> tuple[object, ...]:
    told = decision.as_dict()
    values = {
        "decision_id": decision_id,
        "run_id": told["run_id"],
        "baseline_run_id": told["baseline_run_id"],
        "decision": told["decision"],
        "reason": told["reason"],
        "decided_at": decided_at,
        "rules": to_json(decision.rules.document),
        "rules_digest": told["rules_digest"],
        "results": to_json(told["checks"]),
        "notes": to_json(told["notes"]),
        "read_from": read_from,
        "connector_version": connector_version(),
    }
    return tuple(values[name] for name in VARYING[TABLE])


def _source(project: str, rows: Tuples, folder: Path) -> DltSource:
    @dlt.resource(name="decisions", selected=False)
    def decisions() -> Iterator[TableItem]:
        package = current_package((TABLE,))
        if package.form == "parquet":  # which, without a staging table, Postgres would not take as `jsonb`
            package = package._replace(form="arrow")
        writer = RunWriter(project, package, folder, Privacy(()))
        yield from writer.add(TABLE, rows)
        yield from writer.flush()

    resource = table_resource(TABLES_BY_NAME[TABLE], decisions)
    resource.apply_hints(write_disposition="append")
    return source_of([resource])
