"""Trials made from their calls, where `eval_results` fails on them.

Weave answers 500 for a row with a trial whose `output.scores` is not an object (a ref to a large object, null, a list).
The trial's own call still has its output, its scores and its input.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from ..api.calls import checked_call
from ..api.client import WeaveClient
from ..api.http_errors import SERVER_FAILURE
from ..api.json_lines import parse_lines
from ..errors import ApiError, TransientApiError, UnreadableBodyError
from ..weave.pages import Page, Row, RunTrials, Trial
from ..weave.refs import parse_ref
from ..weave.sanitize import Changes, clean, clean_texts, parse_tolerantly, to_json
from .discovery import PAGE


def rebuild_trials(client: WeaveClient, run_id: str, trial_ids: Sequence[str]) -> Page:
    """A page with the rows of these trials."""
    changes = Changes()
    calls = [
        call for start in range(0, len(trial_ids), PAGE) for call in _read(client, trial_ids[start : start + PAGE])
    ]
    refs = {call["output"]["scores"] for call in calls if parse_ref(_scores(call))}
    resolved = {ref: _resolve(client, ref) for ref in refs}
    trials: dict[str, list[Trial]] = defaultdict(list)
    inputs: dict[str, Any] = {}
    for call in calls:
        example = (call.get("inputs") or {}).get("example")
        digest = row_digest(example)
        inputs[digest] = example
        trials[digest].append(_trial(call, resolved, changes))
    rows = [
        Row(digest, msgspec.Raw(to_json(clean(inputs[digest], changes))), [RunTrials(run_id, found)])
        for digest, found in trials.items()
    ]
    return Page(rows=rows, changes=changes)


def row_digest(example: Any) -> str:
    """The digest of an input: the one in its ref, else SHA-256 of its JSON as Weave's ClickHouse server computes it."""
    ref = parse_ref(example)
    if ref and "/rows/id/" in ref.path:
        return ref.path.rsplit("/", 1)[-1]
    return hashlib.sha256(to_json(clean(example, Changes()))).hexdigest().upper()


def _read(client: WeaveClient, trial_ids: Sequence[str]) -> list[dict[str, Any]]:
    body = {
        "project_id": client.project_id,
        "filter": {"call_ids": list(trial_ids)},
        "columns": ["id", "inputs", "output"],
        "limit": len(trial_ids),
    }
    parse = partial(_parse, asked=len(trial_ids))
    return client.post("/calls/stream_query", body, parse, purpose="reading the calls of trials that Weave fails on")


def _parse(body: bytes, asked: int) -> list[dict[str, Any]]:
    calls = parse_lines(body, lambda line: checked_call(parse_tolerantly(line)), "call")
    if len(calls) < asked:
        raise UnreadableBodyError(f"it has {len(calls)} of {asked} calls")
    return calls


def _scores(call: dict[str, Any]) -> Any:
    output = call.get("output")
    return output.get("scores") if isinstance(output, dict) else None


def _resolve(client: WeaveClient, ref: str) -> Any:
    """What a ref stands for; None if Weave refuses it, or fails on it every time."""
    purpose = f"reading the scores {ref}"
    try:
        return client.post("/refs/read_batch", {"refs": [ref]}, _parse_value, purpose=purpose, has_alternative=True)
    except ApiError as error:
        if isinstance(error, TransientApiError) and error.status != SERVER_FAILURE:
            raise
        return None


def _parse_value(body: bytes) -> Any:
    try:
        answer = parse_tolerantly(body)
    except ValueError as error:
        raise UnreadableBodyError(str(error)) from None
    values = answer.get("vals") if isinstance(answer, dict) else None
    if not isinstance(values, list) or not values:
        raise UnreadableBodyError("it has no vals")
    return values[0]


def _trial(call: dict[str, Any], resolved: dict[str, Any], changes: Changes) -> Trial:
    output = call.get("output") if isinstance(call.get("output"), dict) else {}
    stored = _scores(call)
    scores = resolved.get(stored) if isinstance(stored, str) else stored
    is_object = isinstance(scores, dict)
    return Trial(
        predict_and_score_call_id=call["id"],
        model_output=msgspec.Raw(to_json(clean((output or {}).get("output"), changes))),
        scores=clean_texts(scores, changes) if is_object else None,
        extra=None if is_object else to_json({"scores": clean(stored, changes)}),
    )
