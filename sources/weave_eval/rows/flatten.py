"""API answers to rows of the tables: pure functions, no I/O."""

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

from ..tables import RESULT_TABLES, TABLES_BY_NAME, Column
from ..weave.pages import Page, Row, RunSummary, Trial
from ..weave.refs import parse_ref
from ..weave.runs import Run
from ..weave.sanitize import Changes, clean, to_json
from ..weave.trials import TrialCall, TrialCalls
from .columns import Columns, TableRow


@dataclass
class Counts:
    """What was read of a run so far."""

    rows: int = 0
    trials: int = 0
    scores: int = 0
    tokens: int | None = None
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

    dataset_rows: Columns
    result_rows: Columns
    trials: Columns
    scores: Columns

    @classmethod
    def empty(cls) -> RunBatch:
        """A batch without rows."""
        return cls(**{table: Columns.of(table, ()) for table in RESULT_TABLES})

    def tables(self) -> Iterator[Columns]:
        """The rows of each table."""
        yield from vars(self).values()

    def extend(self, more: RunBatch) -> None:
        """Adds the rows of `more`."""
        for own, added in zip(self.tables(), more.tables(), strict=True):
            own.extend(added)


class _RunRow(msgspec.Struct, gc=False):
    """A row with its trials in one run, by their start."""

    row: Row
    result_row_id: str
    trials: list[tuple[Trial, TrialCall | None]]


class _RunTrial(msgspec.Struct, gc=False):
    """A trial at its place in a run."""

    trial: Trial
    call: TrialCall | None
    result_row_id: str
    row_digest: str
    index: int


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
        rows = [self._run_row(row) for row in page.rows if self._is_new(row.row_digest)]
        trials = list(_run_trials(rows))
        inputs = [each.row for each in rows] if self._has_inputs else []
        batch = RunBatch(_dataset_rows(inputs), _result_rows(rows), _trials(trials), _scores(trials))
        self._count(rows, trials, len(batch.scores))
        return batch

    def _is_new(self, digest: str) -> bool:
        is_new = digest not in self._digests
        self._digests.add(digest)
        return is_new

    def _run_row(self, row: Row) -> _RunRow:
        trials = [trial for each in row.evaluations if each.evaluation_call_id == self.run_id for trial in each.trials]
        timed = [(trial, self._calls.get(trial.predict_and_score_call_id)) for trial in trials]
        return _RunRow(row, f"{self.run_id}:{row.row_digest}", sorted(timed, key=_by_start))

    def _count(self, rows: Sequence[_RunRow], trials: Sequence[_RunTrial], scores: int) -> None:
        self.counts.rows += len(rows)
        self.counts.scores += scores
        for each in trials:
            self.counts.add_trial(each.trial)
            # The text of the call, where there is one, so that each id is in memory once.
            self.trial_ids.add(each.call.trial_id if each.call else each.trial.predict_and_score_call_id)


def _by_start(timed: tuple[Trial, TrialCall | None]) -> tuple[bool, datetime | None, str]:
    trial, call = timed
    return (call is None, call.started_at if call else None, trial.predict_and_score_call_id)


def _run_trials(rows: Sequence[_RunRow]) -> Iterator[_RunTrial]:
    for each in rows:
        for index, (trial, call) in enumerate(each.trials, 1):
            yield _RunTrial(trial, call, each.result_row_id, each.row.row_digest, index)


def _dataset_rows(rows: Sequence[Row]) -> Columns:
    texts = [_json_or_null(row.raw_data_row) for row in rows]
    refs = [_unresolved_ref(text) for text in texts]
    return Columns(
        "dataset_rows",
        {
            "row_digest": [row.row_digest for row in rows],
            "inputs": texts,
            "input_ref": refs,
            "is_resolved": [ref is None for ref in refs],
        },
    )


def _unresolved_ref(text: bytes | None) -> str | None:
    """The ref that stands where an input should, if one does."""
    is_ref = text and text.startswith((b'"weave:///', b'"weave-private:///'))
    return msgspec.json.decode(text, type=str) if text and is_ref else None


def _result_rows(rows: Sequence[_RunRow]) -> Columns:
    return Columns(
        "result_rows",
        {
            "result_row_id": [each.result_row_id for each in rows],
            "row_digest": [each.row.row_digest for each in rows],
            "trial_count": [len(each.trials) for each in rows],
            "extra": [each.row.extra for each in rows],
        },
    )


def _trials(placed: Sequence[_RunTrial]) -> Columns:
    trials = [each.trial for each in placed]
    calls = [each.call for each in placed]
    return Columns(
        "trials",
        {
            "trial_id": [trial.predict_and_score_call_id for trial in trials],
            "result_row_id": [each.result_row_id for each in placed],
            "row_digest": [each.row_digest for each in placed],
            "trial_index": [each.index for each in placed],
            "predict_call_id": [trial.predict_call_id for trial in trials],
            "output": [_json_or_null(trial.model_output) for trial in trials],
            "latency_seconds": [trial.model_latency_seconds for trial in trials],
            "total_tokens": [trial.total_tokens for trial in trials],
            "total_cost": [trial.total_cost for trial in trials],
            "started_at": [call.started_at if call else None for call in calls],
            "finished_at": [call.finished_at if call else None for call in calls],
            "is_error": [call.error is not None if call else None for call in calls],
            "error": [call.error if call else None for call in calls],
            "extra": [_trial_extra(trial) for trial in trials],
        },
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


class _Scored(msgspec.Struct, gc=False):
    """A trial that a scorer scored."""

    trial_id: str
    row_digest: str
    scorer_name: str
    scorer_call_id: str | None


def _scores(placed: Sequence[_RunTrial]) -> Columns:
    found = [(scored, *leaf) for each in placed for scored, output in _scored(each) for leaf in leaves(output)]
    scored = [each for each, _, _ in found]
    paths = [path for _, path, _ in found]
    typed = [typed_value(value) for _, _, value in found]
    return Columns(
        "scores",
        {
            "score_id": [f"{each.trial_id}:{leaf_id(each.scorer_name, path)}" for each, path, _ in found],
            "trial_id": [each.trial_id for each in scored],
            "row_digest": [each.row_digest for each in scored],
            "scorer_name": [each.scorer_name for each in scored],
            "path": paths,
            "value_type": [value.type for value in typed],
            "value_bool": [value.bool for value in typed],
            "value_number": [value.number for value in typed],
            "value_text": [value.text for value in typed],
            "value_json": [value.json for value in typed],
            "scorer_call_id": [each.scorer_call_id for each in scored],
        },
    )


def _scored(placed: _RunTrial) -> Iterator[tuple[_Scored, Any]]:
    """What each scorer put out for a trial."""
    trial = placed.trial
    call_ids = trial.scorer_call_ids or {}
    for scorer, output in (trial.scores or {}).items():
        yield _Scored(trial.predict_and_score_call_id, placed.row_digest, scorer, call_ids.get(scorer)), output


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


class TypedValue(msgspec.Struct, gc=False, frozen=True):
    """A leaf, as the columns `value_type`, `value_bool`, `value_number`, `value_text` and `value_json` have it."""

    type: str
    bool: bool | None = None
    number: float | None = None
    text: str | None = None
    json: bytes | None = None


_NULL = TypedValue("null")
_TRUE, _FALSE = TypedValue("binary", bool=True), TypedValue("binary", bool=False)


def typed_value(value: Any) -> TypedValue:
    """The value of a leaf. A number that no double holds exactly, or that is not finite, is kept as text."""
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, str):
        return TypedValue("text", text=value)
    return TypedValue("json", json=_json_text(value))


def _json_text(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except OverflowError:  # an integer beyond 64 bits
        return to_json(clean(value, Changes()))


def _number(value: float) -> TypedValue:
    if isinstance(value, int):
        number = _as_double(value)
        return TypedValue("continuous", number=number, text=None if number == value else str(value))
    if math.isfinite(value):
        return TypedValue("continuous", number=value)
    return TypedValue("continuous", text=_NON_FINITE[str(value)])


_NON_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _as_double(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def flatten_stats(run_id: str, summary: RunSummary) -> list[TableRow]:
    """The scorer stats of a run. Where two leaves share Weave's path, the first is kept."""
    rows: dict[tuple[str, str], TableRow] = {}
    for stat in summary.scorer_stats:
        path = stat.path or ""
        rows.setdefault(
            (stat.scorer_key, path),
            {
                "scorer_stat_id": f"{run_id}:{leaf_id(stat.scorer_key, path)}",
                "scorer_name": stat.scorer_key,
                "path": path,
                "value_type": stat.value_type,
                "trial_count": stat.trial_count,
                "numeric_count": stat.numeric_count,
                "numeric_mean": stat.numeric_mean,
                "pass_known_count": stat.pass_known_count,
                "pass_true_count": stat.pass_true_count,
                "pass_rate": stat.pass_rate,
                "pass_signal_coverage": stat.pass_signal_coverage,
                "is_computed": stat.is_computed,
                "extra": stat.extra,
            },
        )
    return list(rows.values())


@dataclass(frozen=True)
class RunReading:
    """When and how a run was read, for its row."""

    status: str
    synced_at: datetime
    url: str
    results_load_id: str | None
    counts: Counts | None


def flatten_run(project_id: str, run: Run, reading: RunReading) -> TableRow:
    """The row of a run."""
    entity, _, project = project_id.partition("/")
    evaluation, model = parse_ref(run.evaluation_ref), parse_ref(run.model_ref)
    counts = reading.counts
    return {
        "run_id": run.run_id,
        "entity": entity,
        "project": project,
        "evaluation_ref": run.evaluation_ref,
        "evaluation_name": run.evaluation_name,
        "evaluation_digest": evaluation.digest if evaluation else None,
        "model_ref": run.model_ref,
        "model_name": run.model_name,
        "model_digest": model.digest if model else None,
        "display_name": run.display_name,
        "status": reading.status,
        "has_failed_trials": run.has_failed_trials,
        "error": run.error,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "source_run_id": run.source_run_id,
        "trace_id": run.trace_id,
        "parent_id": run.parent_id,
        "user_id": run.user_id,
        "is_imperative": run.is_imperative,
        "row_count": counts.rows if counts else None,
        "trial_count": counts.trials if counts else None,
        "score_count": counts.scores if counts else None,
        "total_tokens": counts.tokens if counts else None,
        "total_cost": counts.cost if counts else None,
        "output": run.output,
        "summary": run.summary,
        "attributes": run.attributes,
        "url": reading.url,
        "deleted_at": None,
        "synced_at": reading.synced_at,
        "fingerprint": run.fingerprint,
        "results_load_id": reading.results_load_id,
        "extra": run.extra,
    }


def marked_deleted(row: TableRow, deleted_at: datetime) -> TableRow:
    """A row of `evaluation_runs` with the time at which the run was found deleted, unless it has one."""
    return {**row, "deleted_at": row["deleted_at"] or deleted_at}


def tombstone(table: str, run_id: str) -> TableRow:
    """A row that stands for a run and is not kept: loading it removes what the run had before in that table."""
    declared = TABLES_BY_NAME[table]
    return {name: run_id if name == "run_id" else _placeholder(declared.column(name)) for name in declared.varying}


def _placeholder(column: Column) -> Any:
    if column.nullable:
        return None
    return datetime.fromtimestamp(0, timezone.utc) if column.type == "timestamp" else ""
