"""A page of `eval_results/query`, decoded once.

Model outputs and inputs stay JSON text as they came (`msgspec.Raw`): they are neither parsed nor written anew, so
every digit survives. A body with anything unusual in it (NaN, escaped NUL or surrogates, invalid UTF-8, fields that
are not known here) is decoded the slow way, to the same result with the unusual parts cleaned or kept in `extra`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from ..errors import UnreadableBodyError
from .sanitize import Changes, clean, clean_name, clean_text, clean_texts, needs_cleaning, parse_tolerantly, to_json

NULL = msgspec.Raw(b"null")


class Trial(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One trial. `extra` holds what has no field here, as JSON text."""

    predict_and_score_call_id: str
    predict_call_id: str | None = None
    model_output: msgspec.Raw = NULL
    scores: dict[str, Any] | None = None
    model_latency_seconds: float | None = None
    total_tokens: int | None = None
    total_cost: float | None = None
    scorer_call_ids: dict[str, str] | None = None
    genai_span_ref: msgspec.Raw = NULL
    extra: bytes | None = None


class RunTrials(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The trials of one input in one run."""

    evaluation_call_id: str
    trials: list[Trial] = []


class Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One input and its trials. `raw_data_row` is the input, or its ref where that could not be resolved."""

    row_digest: str
    raw_data_row: msgspec.Raw = NULL
    evaluations: list[RunTrials] = []
    extra: bytes | None = None


class ScorerStat(msgspec.Struct):
    """Weave's aggregate of one leaf of one scorer."""

    scorer_key: str
    path: str | None = None
    value_type: str | None = None
    trial_count: int | None = None
    numeric_count: int | None = None
    numeric_mean: float | None = None
    pass_known_count: int | None = None
    pass_true_count: int | None = None
    pass_rate: float | None = None
    pass_signal_coverage: float | None = None
    is_computed: bool = False
    extra: bytes | None = None


class RunSummary(msgspec.Struct):
    """Weave's aggregates of one run."""

    evaluation_call_id: str
    trial_count: int | None = None
    scorer_stats: list[ScorerStat] = []
    predict_total_tokens: int | None = None
    predict_total_cost: float | None = None


class Summary(msgspec.Struct):
    """Weave's aggregates: rows in all, and each run's."""

    row_count: int | None = None
    evaluations: list[RunSummary] = []


class Page(msgspec.Struct):
    """Rows of a run. `total_rows` counts the rows of the whole run.

    `is_poisoned` says that the server fails on the row that was asked for.
    """

    rows: list[Row] = []
    total_rows: int | None = None
    summary: Summary | None = None
    warnings: list[str] | None = None
    changes: Changes = msgspec.field(default_factory=Changes)
    body_bytes: int = 0
    is_poisoned: bool = False


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[Row]
    total_rows: int | None = None
    summary: msgspec.Raw = NULL
    warnings: list[str] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
# msgspec prepares a type when it is first used, and crashes if two threads do that at once: so, before there are any.
msgspec.json.Decoder(Summary)


def parse_page(body: bytes) -> Page:
    """Decodes an answer of `eval_results/query`.

    Raises `UnreadableBodyError` if it is none.
    """
    if not needs_cleaning(body):
        try:
            answer = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if bytes(answer.summary) == b"null":
                return Page(answer.rows, answer.total_rows, None, answer.warnings, body_bytes=len(body))
    return _parse_slowly(body)


def _parse_slowly(body: bytes) -> Page:
    try:
        answer = parse_tolerantly(body)
        page = _page(answer)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableBodyError(f"it is not a page of results: {type(error).__name__}: {error}") from None
    page.body_bytes = len(body)
    return page


def _page(answer: dict[str, Any]) -> Page:
    changes = Changes()
    summary = clean(_with_names(answer.get("summary"), changes), changes)
    return Page(
        rows=[_row(row, changes) for row in answer["rows"]],
        total_rows=answer.get("total_rows"),
        summary=None if summary is None else _summary(summary),
        warnings=answer.get("warnings"),
        changes=changes,
    )


def _row(row: dict[str, Any], changes: Changes) -> Row:
    runs = row.get("evaluations") or ()
    known = {"row_digest", "raw_data_row", "evaluations", *_RUN_FIELDS}
    of_runs = {name: value for run in runs for name, value in run.items() if name not in _RUN_FIELDS}
    return Row(
        row_digest=clean_text(row["row_digest"], changes),
        raw_data_row=_raw(row.get("raw_data_row"), changes),
        evaluations=[
            RunTrials(run["evaluation_call_id"], [_trial(trial, changes) for trial in run.get("trials") or ()])
            for run in runs
        ],
        extra=_rest({**of_runs, **row}, known, changes),
    )


def _trial(trial: dict[str, Any], changes: Changes) -> Trial:
    plain = {name: _fitting(clean_texts(trial.get(name), changes), kind) for name, kind in _PLAIN.items()}
    odd = {name: trial[name] for name in _PLAIN if trial.get(name) is not None and plain[name] is None}
    scores = trial.get("scores")
    known = _TRIAL_FIELDS - {"extra"} - odd.keys()
    return Trial(
        predict_and_score_call_id=clean_text(trial["predict_and_score_call_id"], changes),
        **plain,
        model_output=_raw(trial.get("model_output"), changes),
        scores=clean_texts(scores, changes) if isinstance(scores, dict) else None,
        genai_span_ref=_raw(trial.get("genai_span_ref"), changes),
        extra=_rest(trial, known, changes),
    )


def _fitting(value: Any, kind: Any) -> Any:
    """The value if it is of that kind, else None."""
    try:
        return None if value is None else msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return None


_PLAIN: dict[str, Any] = {
    "predict_call_id": str,
    "model_latency_seconds": float,
    "total_tokens": int,
    "total_cost": float,
    "scorer_call_ids": dict[str, str],
}
_TRIAL_FIELDS = frozenset(Trial.__struct_fields__)
_RUN_FIELDS = frozenset(RunTrials.__struct_fields__)


def _with_names(summary: dict[str, Any] | None, changes: Changes) -> dict[str, Any] | None:
    """The summary with the names in its stats cleaned as those of scores are."""
    for run in (summary or {}).get("evaluations") or ():
        for stat in run.get("scorer_stats") or ():
            stat.update({name: clean_name(stat[name], changes) for name in ("scorer_key", "path") if stat.get(name)})
    return summary


def _summary(summary: dict[str, Any]) -> Summary:
    made = msgspec.convert(summary, Summary)
    known = {*ScorerStat.__struct_fields__}
    for run, read in zip(made.evaluations, summary.get("evaluations") or (), strict=True):
        for stat, fields in zip(run.scorer_stats, read.get("scorer_stats") or (), strict=True):
            stat.extra = _rest(fields, known, Changes())
    return made


def _raw(value: Any, changes: Changes) -> msgspec.Raw:
    return NULL if value is None else msgspec.Raw(to_json(clean(value, changes)))


def _rest(fields: dict[str, Any], known: AbstractSet[str], changes: Changes) -> bytes | None:
    rest = {name: value for name, value in fields.items() if name not in known and value is not None}
    return to_json(clean(rest, changes)) if rest else None
