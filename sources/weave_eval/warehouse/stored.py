"""What a warehouse holds of runs, for loads that compare with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, Connection, inspect, select

from ..destinations import Profile
from ..flatten import VARYING, Tuples
from ..sanitize import to_json
from .engine import reading
from .metadata import sql_tables

_MAX_IDS = 500


@dataclass(frozen=True)
class StoredRun:
    """A run as the warehouse holds it. `is_proven` says that its last reading was reconciled."""

    run_id: str
    status: str
    fingerprint: str | None
    is_deleted: bool
    is_proven: bool
    trial_calls: int | None


def stored_run_ids(profile: Profile, project: str) -> set[str]:
    """Ids of the project's runs in the warehouse; none before the first load."""
    with reading(profile) as connection:
        if not _has_table(connection, profile, "evaluation_runs"):
            return set()
        runs = sql_tables(profile.dataset)["evaluation_runs"].c
        return set(connection.scalars(select(runs.run_id).where(runs.project_id == project)))


def stored_runs(profile: Profile, project: str) -> list[StoredRun]:
    """The project's runs in the warehouse; none before the first load."""
    with reading(profile) as connection:
        if not _has_table(connection, profile, "evaluation_runs"):
            return []
        tables = sql_tables(profile.dataset)
        runs = tables["evaluation_runs"].c
        columns = (runs.run_id, runs.status, runs.fingerprint, runs.deleted_at, runs.results_load_id)
        found = connection.execute(select(*columns).where(runs.project_id == project)).all()
        proofs = _proofs(connection, profile, project)
        return [
            StoredRun(run_id, status, fingerprint, deleted_at is not None, *_proof(proofs.get(run_id), load_id))
            for run_id, status, fingerprint, deleted_at, load_id in found
        ]


def _proofs(connection: Connection, profile: Profile, project: str) -> dict[str, tuple[str, bool, int | None]]:
    if not _has_table(connection, profile, "reconciliations"):
        return {}
    proofs = sql_tables(profile.dataset)["reconciliations"].c
    query = select(proofs.run_id, proofs.load_id, proofs.is_reconciled, proofs.trial_call_count)
    rows = connection.execute(query.where(proofs.project_id == project))
    return {run_id: (load_id, bool(is_reconciled), calls) for run_id, load_id, is_reconciled, calls in rows}


def _proof(proof: tuple[str, bool, int | None] | None, load_id: str | None) -> tuple[bool, int | None]:
    """Whether the run's rows are those that were reconciled, and the trial calls that Weave had then."""
    if proof is None or proof[0] != load_id:
        return False, None
    return proof[1], proof[2]


def stored_trials(profile: Profile, run_ids: Collection[str]) -> dict[str, dict[str, datetime | None]]:
    """When the trials of each of these runs ended, in UTC, by trial."""
    ids = sorted(run_ids)
    trials = sql_tables(profile.dataset)["trials"].c
    query = select(trials.run_id, trials.trial_id, trials.finished_at)
    found: dict[str, dict[str, datetime | None]] = defaultdict(dict)
    with reading(profile) as connection:
        for start in range(0, len(ids), _MAX_IDS):
            chosen = query.where(trials.run_id.in_(ids[start : start + _MAX_IDS]))
            for run_id, trial_id, ended in connection.execute(chosen):
                found[run_id][trial_id] = _value(ended, profile, is_json=False)
    return found


def run_rows(profile: Profile, run_ids: Collection[str]) -> Tuples:
    """The rows of `evaluation_runs` for these runs, in the order of `VARYING`, JSON as text."""
    ids = sorted(run_ids)
    runs = sql_tables(profile.dataset)["evaluation_runs"].c
    columns = [runs[name] for name in VARYING["evaluation_runs"]]
    rows: Tuples = []
    with reading(profile) as connection:
        for start in range(0, len(ids), _MAX_IDS):
            chosen = columns[0].in_(ids[start : start + _MAX_IDS])
            for row in connection.execute(select(*columns).where(chosen)):
                values = zip(columns, row, strict=True)
                rows.append(tuple(_value(value, profile, is_json=isinstance(c.type, JSON)) for c, value in values))
    return rows


def resolved_inputs(profile: Profile, project: str, digests: Collection[str]) -> set[str]:
    """Those of the digests whose inputs the warehouse holds, not only their refs."""
    wanted = sorted(digests)
    inputs = sql_tables(profile.dataset)["dataset_rows"].c
    query = select(inputs.row_digest).where(inputs.project_id == project, inputs.is_resolved)
    with reading(profile) as connection:
        if not _has_table(connection, profile, "dataset_rows"):
            return set()
        chunks = [wanted[start : start + _MAX_IDS] for start in range(0, len(wanted), _MAX_IDS)]
        return {digest for chunk in chunks for digest in connection.scalars(query.where(inputs.row_digest.in_(chunk)))}


def _value(value: Any, profile: Profile, *, is_json: bool) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    if not is_json or value is None:
        return value
    return value.encode() if profile.type == "snowflake" and isinstance(value, str) else to_json(value)


def _has_table(connection: Connection, profile: Profile, name: str) -> bool:
    return inspect(connection).has_table(name, schema=profile.dataset)
