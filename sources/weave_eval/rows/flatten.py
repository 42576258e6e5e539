"""API answers to rows of the tables: pure functions, no I/O.

A batch holds, for one table, tuples of the values that differ from row to row, in the order of `VARYING`; what is
the same for all rows of a run (`run_id`, `project_id`, ...) is added when columns are built.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import msgspec

from ..tables import TABLES, TABLES_BY_NAME, Column
from ..weave.pages import Page, Row, RunSummary, Trial
from ..weave.refs import parse_ref
from ..weave.runs import Run
from ..weave.sanitize import Changes, clean, to_json
from ..weave.trials import TrialCall, TrialCalls

VARYING: dict[str, tuple[str, ...]] = {table.name: table.varying for table in TABLES}
"""Columns of each table that a batch has values for, in the order of its tuples."""

Tuples = list[tuple[Any, ...]]


@dataclass
class Counts:
    """What was read of a run so far."""

    rows: int = 0
    trials: int = 0
    scores: int = 0
    tokens: int | None = None
    unresolved: int = 0
    costs: array[float] = field(default_factory=lambda: array("d"))

    @property
    def cost(self) -> float | None:
        """The sum of the trials' costs, the same in whatever order their pages came."""
        return math.fsum(self.costs) if self.costs else None

    def add_trial(self, trial: Trial) -> None:
        """Counts one trial."""
        self.trials += 1
        if trial.total_tokens is not None:
            self.tokens = (self.tokens or 0) + trial.total_tokens
        if trial.total_cost is not None:
            self.costs.append(trial.total_cost)


@dataclass
class RunBatch:
    """Rows of one run, by table."""

    dataset_rows: Tuples = field(default_factory=list)
    result_rows: Tuples = field(default_factory=list)
    trials: Tuples = field(default_factory=list)
    scores: Tuples = field(default_factory=list)


class RunFlattener:
    """Flattens the pages of one run. Rows that repeat (pages of a run still being written can overlap) count once."""

    def __init__(self, run_id: str, calls: TrialCalls, *, has_inputs: bool = True):
        """`has_inputs` says whether the pages were asked for with inputs."""
        self.run_id = run_id
        self.counts = Counts()
        self._calls = calls
        self._has_inputs = has_inputs
        self._digests: set[str] = set()
        self.trial_ids: set[str] = set()

    def flatten(self, page: Page) -> RunBatch:
        """The rows of a page."""
        batch = RunBatch()
        for row in page.rows:
            if row.row_digest not in self._digests:
                self._digests.add(row.row_digest)
                self._add_row(batch, row)
        return batch

    def _add_row(self, batch: RunBatch, row: Row) -> None:
        digest = row.row_digest
        result_row_id = f"{self.run_id}:{digest}"
        trials = [trial for each in row.evaluations if each.evaluation_call_id == self.run_id for trial in each.trials]
        batch.result_rows.append((result_row_id, digest, len(trials), row.extra))
        self.counts.rows += 1
        if self._has_inputs:
            self._add_input(batch, row)
        timed = [(trial, self._calls.get(trial.predict_and_score_call_id)) for trial in trials]
        for index, (trial, call) in enumerate(sorted(timed, key=_by_start), 1):
            self.counts.add_trial(trial)
            self.trial_ids.add(call.trial_id if call else trial.predict_and_score_call_id)  # one text for both
            batch.trials.append(_trial_tuple(trial, call, result_row_id, digest, index))
            scores = list(_score_tuples(trial, digest))
            self.counts.scores += len(scores)
            batch.scores.extend(scores)

    def _add_input(self, batch: RunBatch, row: Row) -> None:
        text = _json_or_null(row.raw_data_row)
        if text and text.startswith((b'"weave:///', b'"weave-private:///')):
            ref = msgspec.json.decode(text)
            self.counts.unresolved += 1
            batch.dataset_rows.append((row.row_digest, text, ref, False))
        else:
            batch.dataset_rows.append((row.row_digest, text, None, True))


def _by_start(timed: tuple[Trial, TrialCall | None]) -> tuple[bool, datetime | None, str]:
    trial, call = timed
    return (call is None, call.started_at if call else None, trial.predict_and_score_call_id)


def _trial_tuple(trial: Trial, call: TrialCall | None, result_row_id: str, digest: str, index: int) -> tuple[Any, ...]:
    error = call.error if call else None
    return (
        trial.predict_and_score_call_id,
        result_row_id,
        digest,
        index,
        trial.predict_call_id,
        _json_or_null(trial.model_output),
        trial.model_latency_seconds,
        trial.total_tokens,
        trial.total_cost,
        call.started_at if call else None,
        call.finished_at if call else None,
        error is not None if call else None,
        error,
        _trial_extra(trial),
    )


def _json_or_null(raw: msgspec.Raw) -> bytes | None:
    """JSON text; None for JSON null, which not every warehouse tells from its own null."""
    text = bytes(raw)
    return None if text == b"null" else text


def _trial_extra(trial: Trial) -> bytes | None:
    span = bytes(trial.genai_span_ref)
    if span == b"null":
        return trial.extra
    rest = trial.extra[1:] if trial.extra else b"}"
    return b'{"genai_span_ref":' + span + (b"," if trial.extra else b"") + rest


def _score_tuples(trial: Trial, digest: str) -> Iterator[tuple[Any, ...]]:
    trial_id = trial.predict_and_score_call_id
    call_ids = trial.scorer_call_ids or {}
    for scorer, output in (trial.scores or {}).items():
        call_id = call_ids.get(scorer)
        for path, value in leaves(output):
            score_id = f"{trial_id}:{leaf_id(scorer, path)}"
            yield (score_id, trial_id, digest, scorer, path, *typed_value(value), call_id)


def leaves(output: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of a scorer's output with their paths, depth first in the order of the keys.

    Lists and empty objects are leaves. A dot or backslash in a key is escaped with a backslash.
    """
    if not isinstance(output, dict) or not output:
        yield "", output
        return
    stack: list[tuple[str, Any, bool]] = [("", output, True)]
    while stack:
        prefix, value, is_root = stack.pop()
        if not isinstance(value, dict) or not value:
            yield prefix, value
            continue
        for key, inner in reversed(value.items()):
            name = _escape(key)
            stack.append((name if is_root else f"{prefix}.{name}", inner, False))


@lru_cache(maxsize=4096)
def _escape(key: str) -> str:
    return key.replace("\\", "\\\\").replace(".", "\\.")


@lru_cache(maxsize=65536)
def leaf_id(scorer: str, path: str) -> str:
    """A stable short hash (16 hex digits) of a scorer's name and a path."""
    return hashlib.blake2b(f"{scorer}\0{path}".encode(), digest_size=8).hexdigest()


def typed_value(value: Any) -> tuple[str, bool | None, float | None, str | None, bytes | None]:
    """`value_type`, `value_bool`, `value_number`, `value_text` and `value_json` of a leaf.

    A number that no double holds exactly, or that is not finite, is kept as text in `value_text`.
    """
    if value is None:
        return ("null", None, None, None, None)
    if isinstance(value, bool):
        return ("binary", value, None, None, None)
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, str):
        return ("text", None, None, value, None)
    return ("json", None, None, None, _json_text(value))


def _json_text(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except OverflowError:  # an integer beyond 64 bits
        return to_json(clean(value, Changes()))


def _number(value: float) -> tuple[str, None, float | None, str | None, None]:
    if isinstance(value, int):
        number = _as_double(value)
        return ("continuous", None, number, None if number == value else str(value), None)
    if math.isfinite(value):
        return ("continuous", None, value, None, None)
    return ("continuous", None, None, _NON_FINITE[str(value)], None)


_NON_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _as_double(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def flatten_stats(run_id: str, summary: RunSummary) -> Tuples:
    """The scorer stats of a run. Where two leaves share Weave's path, the first is kept."""
    tuples: dict[tuple[str, str], tuple[Any, ...]] = {}
    for stat in summary.scorer_stats:
        path = stat.path or ""
        tuples.setdefault(
            (stat.scorer_key, path),
            (
                f"{run_id}:{leaf_id(stat.scorer_key, path)}",
                stat.scorer_key,
                path,
                stat.value_type,
                stat.trial_count,
                stat.numeric_count,
                stat.numeric_mean,
                stat.pass_known_count,
                stat.pass_true_count,
                stat.pass_rate,
                stat.pass_signal_coverage,
                stat.is_computed,
                stat.extra,
            ),
        )
    return list(tuples.values())


@dataclass(frozen=True)
class RunReading:
    """When and how a run was read, for its row."""

    status: str
    synced_at: datetime
    url: str
    results_load_id: str | None
    counts: Counts | None


def flatten_run(project_id: str, run: Run, reading: RunReading) -> tuple[Any, ...]:
    """The row of a run."""
    entity, _, project = project_id.partition("/")
    evaluation, model = parse_ref(run.evaluation_ref), parse_ref(run.model_ref)
    counts = reading.counts
    return (
        run.run_id,
        entity,
        project,
        run.evaluation_ref,
        evaluation.name if evaluation else None,
        evaluation.digest if evaluation else None,
        run.model_ref,
        run.model_name,
        model.digest if model else None,
        run.display_name,
        reading.status,
        run.has_failed_trials,
        run.error,
        run.started_at,
        run.finished_at,
        run.source_run_id,
        run.trace_id,
        run.parent_id,
        run.user_id,
        run.is_imperative,
        counts.rows if counts else None,
        counts.trials if counts else None,
        counts.scores if counts else None,
        counts.tokens if counts else None,
        counts.cost if counts else None,
        run.output,
        run.summary,
        run.attributes,
        reading.url,
        None,
        reading.synced_at,
        run.fingerprint,
        reading.results_load_id,
        run.extra,
    )


def marked_deleted(row: tuple[Any, ...], deleted_at: datetime) -> tuple[Any, ...]:
    """A row of `evaluation_runs` with the time at which the run was found deleted, unless it has one."""
    index = VARYING["evaluation_runs"].index("deleted_at")
    return row if row[index] else (*row[:index], deleted_at, *row[index + 1 :])


def tombstone(table: str, run_id: str) -> tuple[Any, ...]:
    """A row that stands for a run and is not kept: loading it removes what the run had before in that table."""
    columns = TABLES_BY_NAME[table]
    return tuple(run_id if name == "run_id" else _placeholder(columns.column(name)) for name in VARYING[table])


def _placeholder(column: Column) -> Any:
    if column.nullable:
        return None
    return datetime.fromtimestamp(0, timezone.utc) if column.type == "timestamp" else ""


def column_values(tuples: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows to columns."""
    return list(zip(*tuples, strict=True))
