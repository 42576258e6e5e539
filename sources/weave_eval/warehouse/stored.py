"""What a warehouse holds of runs, for loads that compare with it; nothing before the first load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..rows.columns import TableRow
from ..tables import EVALUATION_RUNS
from ..weave.sanitize import to_json
from .profiles import Profile
from .table_reader import TableReader, table_reader

_IDS = "SELECT run_id FROM {evaluation_runs} WHERE project_id = %s"
_LIVE_IDS = f"{_IDS} AND deleted_at IS NULL"
_RUNS = """
SELECT run_id, status, fingerprint, deleted_at, results_load_id FROM {evaluation_runs} WHERE project_id = %s"""
_PROOFS = """
SELECT run_id, load_id, is_reconciled, trial_call_count, trial_count, api_row_count, row_count
FROM {reconciliations} WHERE project_id = %s"""
_TRIALS = "SELECT run_id, trial_id, finished_at FROM {trials} WHERE project_id = %s AND run_id IN ({keys})"
_INPUTS = """
SELECT row_digest FROM {dataset_rows} WHERE project_id = %s AND is_resolved AND row_digest IN ({keys})"""


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
    """Ids of the project's runs in the warehouse."""
    return _ids(profile, _IDS, project)


def live_run_ids(profile: Profile, project: str) -> set[str]:
    """Ids of the project's runs in the warehouse that are not marked as deleted."""
    return _ids(profile, _LIVE_IDS, project)


def _ids(profile: Profile, query: str, project: str) -> set[str]:
    with _reader_of(profile, "evaluation_runs") as reader:
        return {run_id for (run_id,) in reader.rows(query, project)} if reader else set()


def stored_runs(profile: Profile, project: str) -> list[StoredRun]:
    """The project's runs in the warehouse."""
    with _reader_of(profile, "evaluation_runs") as reader:
        if not reader:
            return []
        proofs = _proofs(reader, project)
        return [
            StoredRun(run_id, status, fingerprint, deleted_at is not None, *_proof(proofs.get(run_id), load_id))
            for run_id, status, fingerprint, deleted_at, load_id in reader.rows(_RUNS, project)
        ]


def _proofs(reader: TableReader, project: str) -> dict[str, tuple[str, bool, int | None]]:
    rows = reader.rows(_PROOFS, project) if reader.has("reconciliations") else ()
    return {
        run_id: (load_id, bool(is_reconciled) and _has_all_trials(*counts), counts[0])
        for run_id, load_id, is_reconciled, *counts in rows
    }


def _has_all_trials(calls: int | None, trials: int, api_rows: int | None, rows: int) -> bool:
    """Whether no trial call lacks its rows, as earlier versions did not ask; trials of hidden rows may."""
    return calls in (None, trials) or api_rows not in (None, rows)


def _proof(proof: tuple[str, bool, int | None] | None, load_id: str | None) -> tuple[bool, int | None]:
    """Whether the run's rows are those that were reconciled, and the trial calls that Weave had then."""
    if proof is None or proof[0] != load_id:
        return False, None
    return proof[1], proof[2]


def stored_trials(profile: Profile, project: str, run_ids: Collection[str]) -> dict[str, dict[str, datetime | None]]:
    """When the trials of each of these runs ended, in UTC, by trial."""
    found: dict[str, dict[str, datetime | None]] = defaultdict(dict)
    with table_reader(profile) as reader:
        for run_id, trial_id, ended in reader.rows_of(_TRIALS, sorted(run_ids), project):
            found[run_id][trial_id] = _in_utc(ended)
    return found


def run_rows(profile: Profile, project: str, run_ids: Collection[str]) -> list[TableRow]:
    """The rows of `evaluation_runs` for these runs of a project, JSON as text."""
    names = EVALUATION_RUNS.varying
    types = [EVALUATION_RUNS.column(name).type for name in names]
    with table_reader(profile) as reader:
        columns = reader.names_of(names)
        query = f"SELECT {columns} FROM {{evaluation_runs}} WHERE project_id = %s AND run_id IN ({{keys}})"
        return [
            {name: _value(value, kind, profile) for name, kind, value in zip(names, types, row, strict=True)}
            for row in reader.rows_of(query, sorted(run_ids), project)
        ]


def resolved_inputs(profile: Profile, project: str, digests: Collection[str]) -> set[str]:
    """Those of the digests whose inputs the warehouse holds, not only their refs."""
    with _reader_of(profile, "dataset_rows") as reader:
        return {digest for (digest,) in reader.rows_of(_INPUTS, sorted(digests), project)} if reader else set()


def _value(value: Any, kind: str, profile: Profile) -> Any:
    if kind == "json" and value is not None:
        return value.encode() if profile.warehouse.gives_json_as_text else to_json(value)
    return _in_utc(value)


def _in_utc(value: Any) -> Any:
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=timezone.utc) if is_naive else value


@contextmanager
def _reader_of(profile: Profile, table: str) -> Iterator[TableReader | None]:
    """A reader, if the table is there."""
    if profile.location().is_unmade:
        yield None
        return
    with table_reader(profile) as reader:
        yield reader if reader.has(table) else None
