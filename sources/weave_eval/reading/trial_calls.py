"""When each trial ran and what went wrong in it: what `eval_results` leaves out, read from the calls API.

One streamed query for many runs: their trials (calls whose parent is a run), and every failed call of their traces,
of which the direct children of a trial are its prediction and its scorers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from ..api.calls import read_calls
from ..api.client import WeaveClient
from ..api.json_lines import parse_lines, require_last_line
from ..api.query import any_of, equal, negated, one_of, where
from ..times import in_utc
from ..weave.runs import Run
from ..weave.sanitize import Changes, clean, clean_text, parse_tolerantly
from ..weave.trials import TrialCall, TrialCalls, is_trial_op
from .discovery import PAGE

_NO_TRACE = "00000000-0000-0000-0000-000000000000"
COLUMNS = ("id", "parent_id", "op_name", "started_at", "ended_at", "exception")


class _Call(msgspec.Struct, gc=False):
    id: str
    started_at: datetime
    op_name: str
    parent_id: str | None = None
    ended_at: datetime | None = None
    exception: str | None = None


_CALL = msgspec.json.Decoder(_Call)


def read_trial_calls(client: WeaveClient, runs: Sequence[Run], *, max_bytes: int | None = None) -> TrialCalls:
    """The trial calls of runs. Raises `TooHeavyError` if those of up to 1,000 runs take more than `max_bytes`."""
    found: TrialCalls = {}
    for start in range(0, len(runs), PAGE):
        found |= _read_batch(client, runs[start : start + PAGE], max_bytes)
    return found


def any_trial_calls(client: WeaveClient) -> None:
    """Asks for the calls of a trace that does not exist. Raises `ApiError` if Weave does not answer that either."""
    body = {"project_id": client.project_id, "filter": {"trace_ids": [_NO_TRACE]}, "columns": list(COLUMNS)}
    client.post("/calls/stream_query", body, _parse_calls, purpose="finding out whether Weave lists any trials")


def _read_batch(client: WeaveClient, runs: Sequence[Run], max_bytes: int | None) -> TrialCalls:
    is_child = one_of("parent_id", [run.run_id for run in runs])
    has_failed = negated(equal("exception", None))
    body = {
        "project_id": client.project_id,
        "filter": {"trace_ids": sorted({run.trace_id or run.run_id for run in runs})},
        "query": where(any_of([is_child, has_failed])),
        "columns": list(COLUMNS),
    }
    purpose = "reading the trials' times and errors"
    calls = read_calls(client, body, _CallParser, purpose=purpose, max_bytes=max_bytes)
    return _trials({run.run_id for run in runs}, calls)


class _CallParser:
    """Calls of a JSON-lines answer, a line each. What many have in common is kept once."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._shared: dict[str, str] = {}
        self._rest = b""

    def feed(self, part: bytes) -> None:
        """Takes the lines that have ended."""
        lines, _, self._rest = (self._rest + part).rpartition(b"\n")
        self._take(lines)

    def close(self) -> list[_Call]:
        """All calls. Raises `UnreadableBodyError` if the last line is cut short, or a line is not a call."""
        require_last_line(self._rest)
        self._take(self._rest)
        return self._calls

    def _take(self, lines: bytes) -> None:
        for call in _parse_calls(lines):
            call.op_name = self._shared.setdefault(call.op_name, call.op_name)
            if call.parent_id is not None:
                call.parent_id = self._shared.setdefault(call.parent_id, call.parent_id)
            self._calls.append(call)


def _parse_calls(lines: bytes) -> list[_Call]:
    try:
        return _CALL.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _parse_odd_calls(lines)


def _parse_odd_calls(body: bytes) -> list[_Call]:
    """Line by line, where a line holds what msgspec does not take."""
    return parse_lines(body, _parse_call, "call")


def _parse_call(line: bytes) -> _Call:
    try:
        return _CALL.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.convert(clean(parse_tolerantly(line), Changes()), _Call)


def _trials(run_ids: set[str], calls: Sequence[_Call]) -> TrialCalls:
    trials = {call.id: call for call in calls if call.parent_id in run_ids and is_trial_op(call.op_name)}
    errors = {call.id: call.exception for call in trials.values() if call.exception}
    failed = [call for call in calls if call.exception and call.parent_id in trials]
    for call in sorted(failed, key=lambda call: (in_utc(call.started_at), call.id)):
        errors.setdefault(str(call.parent_id), str(call.exception))
    return {
        call.id: TrialCall(
            trial_id=call.id,
            run_id=str(call.parent_id),
            started_at=in_utc(call.started_at),
            finished_at=in_utc(call.ended_at) if call.ended_at else None,
            error=clean_text(errors[call.id], Changes()) if call.id in errors else None,
        )
        for call in trials.values()
    }


def growth_marks(calls: TrialCalls) -> dict[str, str]:
    """A fingerprint of each run's trials: it changes when one is added, removed, ended or fails."""
    marks: dict[str, Any] = {}
    for call in sorted(calls.values()):
        mark = marks.setdefault(call.run_id, hashlib.blake2b(digest_size=8))
        mark.update(repr((call.trial_id, call.finished_at, call.error)).encode())
    return {run_id: mark.hexdigest() for run_id, mark in marks.items()}
