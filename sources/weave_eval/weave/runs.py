"""An evaluation run, as the calls API shows it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ..times import parse_time
from .refs import parse_ref
from .sanitize import Changes, clean, json_or_none, needs_cleaning, parse_tolerantly, to_json

CALL_COLUMNS = (
    "id", "trace_id", "parent_id", "op_name", "display_name", "started_at", "ended_at", "exception",
    "attributes", "inputs", "output", "summary", "wb_user_id", "wb_run_id",
)  # fmt: skip
"""What is asked for of a run's call."""

_WITHOUT_MEANING = frozenset({
    "project_id", "deleted_at", "thread_id", "turn_id", "wb_username", "wb_run_step", "wb_run_step_end",
    "storage_size_bytes", "total_storage_size_bytes", "expire_at", "otel_dump",
})  # fmt: skip
"""Fields of a call that are not asked for: null, or bookkeeping of the server."""

_FINGERPRINTED = ("ended_at", "display_name", "exception", "inputs", "output", "attributes", "summary")


@dataclass(frozen=True)
class Run:
    """One evaluation run. JSON fields are JSON text; times are UTC."""

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    error: str | None
    trace_id: str | None
    parent_id: str | None
    display_name: str | None
    user_id: str | None
    evaluation_ref: str | None
    evaluation_name: str | None
    model_ref: str | None
    model_name: str | None
    has_failed_trials: bool | None
    source_run_id: str | None
    is_imperative: bool
    output: bytes | None
    summary: bytes | None
    attributes: bytes | None
    extra: bytes | None
    fingerprint: str
    changes: Changes = field(default_factory=Changes, compare=False, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return self.finished_at is None

    @property
    def status(self) -> str:
        """`running`, `failed` or `completed`, as Weave's `determine_call_status` does."""
        if self.is_open:
            return "running"
        return "completed" if self.error is None else "failed"


def parse_run(line: bytes) -> Run:
    """A line of `calls/stream_query`. Raises `msgspec.DecodeError`, `ValueError` or `KeyError` if it is not a call."""
    changes = Changes()
    call = _fields(line, changes)
    inputs = _object(call.get("inputs"))
    attributes = _object(call.get("attributes"))
    summary = _object(call.get("summary"))
    weave_attributes = _object(attributes.get("weave"))
    model = inputs.get("model")
    ended_at = call.get("ended_at")
    return Run(
        run_id=call["id"],
        started_at=parse_time(call["started_at"]),
        finished_at=parse_time(ended_at) if ended_at else None,
        error=call.get("exception") or None,
        trace_id=call.get("trace_id"),
        parent_id=call.get("parent_id"),
        display_name=call.get("display_name"),
        user_id=call.get("wb_user_id"),
        evaluation_ref=_ref_text(inputs.get("self")) or _ref_text(inputs.get("this")),
        evaluation_name=_name(inputs.get("self")) or _name(inputs.get("this")),
        model_ref=_ref_text(model),
        model_name=_name(model),
        has_failed_trials=_has_failures(summary),
        source_run_id=weave_attributes.get("source_evaluation_run_id"),
        is_imperative=bool(_object(attributes.get("_weave_eval_meta")).get("imperative")),
        output=json_or_none(call.get("output")),
        summary=json_or_none(call.get("summary")),
        attributes=json_or_none(call.get("attributes")),
        extra=json_or_none(_extra(call)),
        fingerprint=_fingerprint(call),
        changes=changes,
    )


def _fields(line: bytes, changes: Changes) -> dict[str, Any]:
    try:
        call = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        call = parse_tolerantly(line)
    else:
        if not needs_cleaning(line):
            return call
    cleaned = clean(call, changes)
    if not isinstance(cleaned, dict):
        raise TypeError("it is not an object")
    return cleaned


def _extra(call: dict[str, Any]) -> dict[str, Any] | None:
    known = _WITHOUT_MEANING.union(CALL_COLUMNS)
    extra = {name: value for name, value in call.items() if name not in known and value is not None}
    if call.get("wb_run_id"):
        extra["wb_run_id"] = call["wb_run_id"]
    others = _other_inputs(call.get("inputs"))
    if others is not None:
        extra["inputs"] = others
    return extra or None


def _fingerprint(call: dict[str, Any]) -> str:
    """Changes whenever anything that a user can change in a run's call changes."""
    content = to_json([call.get(name) for name in _FINGERPRINTED])
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _ref_text(value: Any) -> str | None:
    return value if parse_ref(value) or _is_opaque(value) else None


def _is_opaque(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("weave-private:")


def _name(value: Any) -> str | None:
    """The name of a model or evaluation: from its ref, its `name`, or the bare text that stands for a ref."""
    if isinstance(value, dict):
        name = value.get("name") or value.get("_class_name")
        return name if isinstance(name, str) else None
    ref = parse_ref(value)
    if ref:
        return ref.name
    return value if isinstance(value, str) else None


def _other_inputs(inputs: Any) -> Any:
    """The inputs that no column has: all but the texts that name an evaluation and a model."""
    if not isinstance(inputs, dict):
        return inputs
    evaluation = "self" if inputs.get("self") else "this"
    named = {name for name in (evaluation, "model") if isinstance(inputs.get(name), str)}
    return {name: value for name, value in inputs.items() if name not in named and value is not None} or None


def _has_failures(summary: Any) -> bool | None:
    """Whether a call below the run failed; None while Weave has not counted."""
    summary = _object(summary)
    status = _object(summary.get("weave")).get("status")
    counts = summary.get("status_counts")
    if isinstance(counts, dict):
        return bool(counts.get("error")) or status == "descendant_error"
    return status == "descendant_error" if status in ("success", "descendant_error") else None
